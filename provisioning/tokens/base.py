"""What every provider of tokens does, and how the answers of their servers are read in general."""

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar, Final, NamedTuple

from django.core.exceptions import ValidationError

from momentry.common.egress.client import Answer, Client
from momentry.common.errors import MomentryError
from momentry.common.veil import veils
from provisioning.tokens.models import State

TIMEOUT: Final = 10.0
MAX_SCOPES: Final = 100
MAX_SCOPE: Final = 100


@veils("secret")
class Asked(NamedTuple):
    """A token as its server is asked about it."""

    base_url: str
    username: str
    secret: str


@veils("password", "otp")
class Owner(NamedTuple):
    """Who takes a token back there; used for that one call and kept nowhere."""

    password: str
    otp: str = ""


class Verdict(NamedTuple):
    """``reason``: one sentence of ours. ``scopes``, ``username``: None where none were told."""

    state: State
    reason: str = ""
    scopes: list[str] | None = None
    username: str | None = None


class TokenProvider(ABC):
    """``setting``: where its server is, unless the token says otherwise."""

    setting: ClassVar[str] = ""
    needs_username: ClassVar[bool] = False

    def scopes_of(self, given: Iterable[str]) -> list[str]:
        """As they are stored. Raises ValidationError."""
        found = sorted(set(given))
        if len(found) > MAX_SCOPES or any(not 0 < len(scope) <= MAX_SCOPE for scope in found):
            raise ValidationError(f"At most {MAX_SCOPES} scopes of {MAX_SCOPE} characters.")
        if any(not (scope.isascii() and scope.isprintable()) for scope in found):
            raise ValidationError("A scope is printable ASCII.")
        return found

    def expires_at(self, secret: str) -> datetime | None:
        """What the token itself says of its end."""
        return None

    @abstractmethod
    def verify(self, asked: Asked) -> Verdict:
        """What its server says of it. Raises PeerError where there was no answer."""

    def revoke(self, asked: Asked, owner: Owner) -> None:
        """Take it back there. Raises PeerError, and MomentryError where that is not done."""
        raise MomentryError(
            "conflict", "Only Gitea's tokens can be taken back from here; delete it there."
        )


def get(asked: Asked, path: str, headers: Mapping[str, str]) -> Answer:
    return send(asked, "GET", path, headers)


def send(asked: Asked, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    accepts = {"Accept": "application/json", **headers}
    return Client(asked.base_url, timeout=TIMEOUT).send(method, path, headers=accepts)


def basic(username: str, password: str) -> str:
    """RFC 7617, in UTF-8."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def told(answer: Answer) -> Mapping[str, object]:
    """The object it answered, else nothing."""
    found = None
    if answer.body.lstrip()[:1] == b"{":
        found = answer.json()
    return found if isinstance(found, dict) else {}


def text_of(answer: Answer, name: str) -> str:
    found = told(answer).get(name)
    return found if isinstance(found, str) else ""


def strange(answer: Answer, name: str) -> Verdict:
    """An answer that says nothing about the token: perhaps a proxy's, perhaps another server."""
    return Verdict(State.UNREACHABLE, f"Its answer ({answer.status}) is not one of {name}.")


REFUSED: Final = Verdict(State.BROKEN, "It is refused there: revoked, expired or mistyped.")
