"""SFTPGo's REST API, as far as members' accounts need it (API v2, SFTPGo 2.7)."""

import threading
from base64 import b64encode
from collections.abc import Iterator
from enum import Enum, auto
from http import HTTPStatus
from json import dumps
from time import monotonic
from typing import Any, Final
from urllib.parse import quote

from momentry.common.egress.client import Answer, Client, PeerError, Step
from momentry.common.egress.rules import Kind
from provisioning.sftpgo.config import SftpgoConfig

API: Final = "/api/v2"
REQUEST_SECONDS: Final = 5.0
TOKEN_SECONDS: Final = 15 * 60.0  # SFTPGo's own end after 20 minutes
PAGE: Final = 500  # the most it gives at once
MOST_BYTES: Final = 8 * 1024**2
BUSY: Final = frozenset({408, 429, 502, 503, 504})
OF_ONE: Final = frozenset({Step.PROTOCOL, Step.TIMEOUT})
"""How a single account may fail where others do not; whether they do, is_well() tells."""


class Blame(Enum):
    """Whose fault a failure is, and so what comes after it."""

    SYSTEM = auto()  # it is away or lets nobody in: wait, for every member
    ATTEMPT = auto()  # try this one again
    REQUEST = auto()  # no attempt would mend it


class SftpgoError(Exception):
    """``str()`` is one sentence of ours: no credential, no name, nothing of an answer."""

    def __init__(self, blame: Blame, detail: str) -> None:
        super().__init__(detail)
        self.blame = blame


class NameTakenError(SftpgoError):
    """409: there is such an account."""

    def __init__(self) -> None:
        super().__init__(Blame.ATTEMPT, "SFTPGo answered 409.")


class Sftpgo:
    """One per process; threads share its token."""

    def __init__(self, config: SftpgoConfig) -> None:
        self.config = config
        self.client = Client(
            config.url, kind=Kind.SERVICE, timeout=REQUEST_SECONDS, max_bytes=MOST_BYTES
        )
        self.lock = threading.Lock()
        self.token = ""
        self.token_end = 0.0

    def find(self, username: str) -> dict[str, Any] | None:
        answer = self.ask("GET", path_of(username), allowed=(HTTPStatus.NOT_FOUND,))
        return None if answer.status == HTTPStatus.NOT_FOUND else self.account_in(answer)

    def create(self, account: dict[str, Any]) -> None:
        """Raises NameTakenError."""
        answer = self.ask("POST", f"{API}/users", account, allowed=(HTTPStatus.CONFLICT,))
        if answer.status == HTTPStatus.CONFLICT:
            raise NameTakenError

    def replace(self, account: dict[str, Any], *, disconnect: bool) -> None:
        """All of the account: what is not in it is lost there."""
        query = "?disconnect=1" if disconnect else ""
        self.ask("PUT", path_of(account["username"]) + query, account)

    def delete(self, username: str) -> None:
        """Its sessions are cut; its files stay."""
        self.ask("DELETE", path_of(username), allowed=(HTTPStatus.NOT_FOUND,))

    def accounts(self) -> Iterator[dict[str, Any]]:
        """All, page by page, in the order of their names."""
        offset = 0
        while True:
            query = f"?limit={PAGE}&offset={offset}&order=ASC"
            found = told(self.ask("GET", f"{API}/users{query}"))
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                raise SftpgoError(Blame.ATTEMPT, "SFTPGo answered no list of accounts.")
            yield from found
            if len(found) < PAGE:
                return
            offset += PAGE

    def is_well(self) -> bool:
        """Does it answer others? Tells an account that it cannot handle from a system that
        handles none."""
        try:
            self.ask("GET", f"{API}/users?limit=1")
        except SftpgoError:
            return False
        return True

    def account_in(self, answer: Answer) -> dict[str, Any]:
        found = told(answer)
        if not isinstance(found, dict) or not found.get("username"):
            raise SftpgoError(Blame.ATTEMPT, "SFTPGo answered no account.")
        return found

    def ask(
        self, method: str, path: str, body: Any = None, *, allowed: tuple[int, ...] = ()
    ) -> Answer:
        """A 2xx, or one of ``allowed``. Raises SftpgoError. A token that ended is renewed once."""
        headers = self.credential()
        answer = self.send(method, path, headers, body)
        if answer.status == HTTPStatus.UNAUTHORIZED and not self.config.api_key:
            answer = self.send(method, path, self.credential(refused=headers), body)
        if answer.status // 100 == 2 or answer.status in allowed:
            return answer
        raise SftpgoError(blame_of(answer.status), f"SFTPGo answered {answer.status}.")

    def send(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> Answer:
        data = None
        if body is not None:
            data = dumps(body).encode()
            headers = {**headers, "Content-Type": "application/json"}
        try:
            return self.client.send(method, path, headers=headers, body=data)
        except PeerError as error:
            blame = Blame.ATTEMPT if error.step in OF_ONE else Blame.SYSTEM
            raise SftpgoError(blame, f"SFTPGo: {error}") from None

    def credential(self, refused: dict[str, str] | None = None) -> dict[str, str]:
        if self.config.api_key:
            return {"X-SFTPGO-API-KEY": self.config.api_key}
        if not self.lock.acquire(timeout=REQUEST_SECONDS):
            raise SftpgoError(Blame.SYSTEM, "SFTPGo: no log-in in time.")
        try:  # one log-in for all threads that find the token gone
            if monotonic() >= self.token_end or self.bearer() == refused:
                self.token, self.token_end = self.log_in(), monotonic() + TOKEN_SECONDS
            return self.bearer()
        finally:
            self.lock.release()

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def log_in(self) -> str:
        """Whatever fails here fails for every member."""
        pair = f"{self.config.admin}:{self.config.password}".encode()
        basic = {"Authorization": f"Basic {b64encode(pair).decode()}"}
        try:
            answer = self.send("GET", f"{API}/token", basic)
            found = answer.json() if answer.status == HTTPStatus.OK else None
        except (SftpgoError, PeerError) as error:
            raise SftpgoError(Blame.SYSTEM, str(error)) from None
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            why = f"SFTPGo lets nobody log in: it answered {answer.status}."
            raise SftpgoError(Blame.SYSTEM, why)
        return token


def path_of(username: str) -> str:
    return f"{API}/users/{quote(username, safe='')}"


def told(answer: Answer) -> Any:
    try:
        return answer.json()
    except PeerError as error:
        raise SftpgoError(Blame.ATTEMPT, f"SFTPGo: {error}") from None


def blame_of(status: int) -> Blame:
    """401 is a log-in that ended or an API key that does."""
    if status in BUSY or status == HTTPStatus.UNAUTHORIZED:
        return Blame.SYSTEM
    if status == HTTPStatus.CONFLICT or status // 100 != 4:
        return Blame.ATTEMPT
    return Blame.REQUEST
