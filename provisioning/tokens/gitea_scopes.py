"""The scopes of Gitea's and Forgejo's access tokens (models/auth/access_token_scope.go). Pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class GiteaScope(StrEnum):
    ALL = "all"
    PUBLIC_ONLY = "public-only"
    READ_ACTIVITYPUB = "read:activitypub"
    WRITE_ACTIVITYPUB = "write:activitypub"
    READ_ADMIN = "read:admin"
    WRITE_ADMIN = "write:admin"
    READ_ISSUE = "read:issue"
    WRITE_ISSUE = "write:issue"
    READ_MISC = "read:misc"
    WRITE_MISC = "write:misc"
    READ_NOTIFICATION = "read:notification"
    WRITE_NOTIFICATION = "write:notification"
    READ_ORGANIZATION = "read:organization"
    WRITE_ORGANIZATION = "write:organization"
    READ_PACKAGE = "read:package"
    WRITE_PACKAGE = "write:package"
    READ_REPOSITORY = "read:repository"
    WRITE_REPOSITORY = "write:repository"
    READ_USER = "read:user"
    WRITE_USER = "write:user"


EVERY_ROOM: Final = frozenset(GiteaScope) - {GiteaScope.PUBLIC_ONLY}
WRITES: Final = frozenset(scope for scope in GiteaScope if scope.startswith("write:"))


class UnknownScopeError(ValueError):
    """``str()`` names it."""


def parse_scopes(given: str | Iterable[str]) -> frozenset[GiteaScope]:
    """All that these scopes allow: a list, or text with commas. ``write:x`` allows ``read:x``,
    ``all`` everything; ``public-only`` bounds the rest and allows nothing. Raises
    UnknownScopeError."""
    words = given.split(",") if isinstance(given, str) else given
    found: set[GiteaScope] = set()
    for word in filter(None, (each.strip() for each in words)):
        try:
            scope = GiteaScope(word)
        except ValueError:
            raise UnknownScopeError(f"Gitea has no scope {word[:50]!r}.") from None
        found |= allowed_by(scope)
    return frozenset(found | {GiteaScope.ALL}) if found >= WRITES else frozenset(found)


def allowed_by(scope: GiteaScope) -> frozenset[GiteaScope]:
    if scope is GiteaScope.ALL:
        return EVERY_ROOM
    if scope in WRITES:
        return frozenset({scope, GiteaScope(scope.replace("write:", "read:"))})
    return frozenset({scope})


def shortest(scopes: frozenset[GiteaScope]) -> list[str]:
    """The same, as few as say it: what is stored and shown."""
    if GiteaScope.ALL in scopes:
        return sorted(scopes & {GiteaScope.ALL, GiteaScope.PUBLIC_ONLY})
    implied = {allowed_by(scope) - {scope} for scope in scopes & WRITES}
    return sorted(scopes - frozenset().union(*implied))
