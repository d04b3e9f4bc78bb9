"""One HTTP request to a service that staff configured, or to an endpoint: guarded, and bounded in
time and size. It follows no redirect, asks no proxy, keeps no connection and no cookie.

The addresses of the host are judged here, as it is dialled, and one that was judged is dialled: a
name that leads elsewhere a moment later changes nothing (DNS rebinding).
"""

import json
import queue
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from functools import cache
from http.client import HTTPException
from time import monotonic
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.response import HTTPResponse

from momentry.common.egress.rules import Kind
from momentry.common.veil import veils

USER_AGENT: Final = "momentry"
PIECE: Final = 64 * 1024
LATE: Final = "No whole answer in time."


class Step(StrEnum):
    """At which step a request failed."""

    DNS = "dns"
    EGRESS = "egress"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"


class PeerError(Exception):
    """No whole answer. ``str()`` is one sentence of ours: nothing of an answer, no credential."""

    def __init__(self, step: Step, detail: str) -> None:
        super().__init__(detail)
        self.step = step


@veils("headers", "body")
class Answer(NamedTuple):
    """``headers``: names in lower case; of a repeated one the values joined by ", "."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """PeerError protocol for what is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise PeerError(Step.PROTOCOL, "Its answer is not JSON.") from None


class Client:
    """``timeout``: seconds for the whole request, name servers included. ``max_bytes``: of an
    answer's body. Safe for threads; it holds nothing between requests."""

    def __init__(
        self,
        base_url: str,
        *,
        kind: Kind = Kind.SERVICE,
        timeout: float = 10.0,
        max_bytes: int = 1024 * 1024,
    ) -> None:
        parts = urlsplit(base_url)
        self.is_tls = parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.is_tls else 80)
        self.authority = parts.netloc
        self.prefix = parts.path.rstrip("/")
        self.kind = kind
        self.timeout = timeout
        self.max_bytes = max_bytes

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """``path``: percent-encoded, below the base URL, with its query. Raises PeerError."""
        end = monotonic() + self.timeout
        given = {
            "Host": self.authority,
            "User-Agent": USER_AGENT,
            "Accept-Encoding": "identity",
            "Connection": "close",
            **(headers or {}),
        }
        with told_as_peer_errors(end):
            addresses = dialled_of(self.host, look_up(self.host, end), self.kind)
            connection = self.connect(addresses, end)
            try:
                with cut_at(end, connection.sock):
                    connection.request(
                        method, self.prefix + path, body=body, headers=given, preload_content=False
                    )
                    with closing(connection.getresponse()) as response:
                        answer = self.read(response)
            finally:
                connection.close()
            if monotonic() >= end:  # it may have ended where it was cut
                raise PeerError(Step.TIMEOUT, LATE)
            return answer

    def connect(self, addresses: list[str], end: float) -> HTTPConnection:
        """Each address in turn, with an equal share of the time."""
        share = max((end - monotonic()) / len(addresses), 0.001)
        why: Exception = PeerError(Step.CONNECT, "")
        for address in addresses:
            connection = self.connection(address, share)
            try:
                connection.connect()
            except (HTTPError, OSError) as error:
                connection.close()
                why = error
                if not isinstance(error, ConnectTimeoutError):
                    break  # somebody was there: another address is no better
            else:
                if connection.sock is not None:
                    connection.sock.settimeout(max(end - monotonic(), 0.001))
                return connection
        raise why

    def connection(self, address: str, timeout: float) -> HTTPConnection:
        if not self.is_tls:
            return HTTPConnection(address, self.port, timeout=timeout)
        return HTTPSConnection(
            address,
            self.port,
            timeout=timeout,
            ssl_context=trusted(),
            server_hostname=self.host,
        )

    def read(self, response: HTTPResponse) -> Answer:
        body = bytearray()
        while piece := response.read(PIECE, decode_content=False):
            body += piece
            if len(body) > self.max_bytes:
                raise PeerError(Step.PROTOCOL, "Its answer is too long.")
        headers = {name.lower(): response.headers[name] for name in response.headers}
        return Answer(response.status, headers, bytes(body))


@cache
def trusted() -> ssl.SSLContext:
    """The system's certificates, and the names in them."""
    return ssl.create_default_context()


def dialled_of(host: str, found: list[str], kind: Kind) -> list[str]:
    """Those of the addresses found that may be dialled. Raises PeerError."""
    if not found:
        raise PeerError(Step.DNS, "The name has no address.")
    allowed = settings.EGRESS_ALLOW
    left = [each for each in found if not allowed.refusal(host, each, kind)]
    if not left:
        why = "The egress guard lets nobody dial where the host leads (EGRESS_ALLOW)."
        raise PeerError(Step.EGRESS, why)
    return left


def resolve(host: str) -> list[str]:
    """All addresses of a name, or none; it may take as long as the name servers like."""
    found: Iterable[Any] = ()
    with suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def look_up(host: str, end: float) -> list[str]:
    """In a thread that nobody joins: a name server may take as long as it likes."""
    told: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    threading.Thread(target=lambda: told.put(resolve(host)), daemon=True).start()
    try:
        return told.get(timeout=max(end - monotonic(), 0.001))
    except queue.Empty:
        raise PeerError(Step.TIMEOUT, "No name server answered in time.") from None


@contextmanager
def cut_at(end: float, connected: socket.socket | None) -> Iterator[None]:
    """A time-out of a socket begins anew with each byte; this end does not."""

    def cut() -> None:
        if connected is not None:
            with suppress(OSError):
                # Not SSLSocket's own: it takes the session away from the thread that reads.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(max(end - monotonic(), 0.001), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def told_as_peer_errors(end: float) -> Iterator[None]:
    """What the library and the socket raise, in our words."""
    try:
        yield
    except PeerError:
        if monotonic() >= end:
            raise PeerError(Step.TIMEOUT, LATE) from None
        raise
    except (HTTPError, HTTPException, OSError) as error:
        raise PeerError(*judged(error, monotonic() >= end)) from None


def judged(error: Exception, is_late: bool) -> tuple[Step, str]:
    causes = [each for each in (error, error.__cause__, *error.args) if each is not None]
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Step.TLS, f"Its certificate is not accepted: {cause.verify_message}."
    if is_late or isinstance(error, TimeoutError):
        return Step.TIMEOUT, LATE
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return Step.TLS, "The handshake failed."
    if isinstance(error, NewConnectionError):
        return Step.CONNECT, "Nobody takes the connection."
    if isinstance(error, ConnectTimeoutError):
        return Step.TIMEOUT, "Nobody took the connection in time."
    if isinstance(error, HTTPError | HTTPException):
        return Step.PROTOCOL, "What it answers is no whole HTTP answer."
    return Step.CONNECT, "It broke the connection."
