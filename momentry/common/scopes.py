"""The questions asked of scopes. Pure; which roles and members hold what is apikeys' matter."""

from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=4096)
def holds(scopes: frozenset[str], needed: str) -> bool:
    """``needed`` is ``subject:verb``; ``*`` on either side of a held scope stands for anything.

    Remembered: the same few sets are asked about the same few scopes again and again.
    """
    return needed in scopes or not scopes.isdisjoint(wider(needed))


def wider(needed: str) -> frozenset[str]:
    """The wildcards that include it."""
    subject, _, verb = needed.partition(":")
    return frozenset({f"{subject}:*", f"*:{verb}", "*:*"})


def lacking(held: frozenset[str], wanted: Iterable[str]) -> list[str]:
    """Those of ``wanted`` that are not held. A wanted wildcard needs a held one as wide: several
    single scopes never add up to ``*``, for it also means scopes that come later."""
    return sorted({scope for scope in wanted if not holds(held, scope)})


def covers(held: frozenset[str], wanted: Iterable[str]) -> bool:
    return not lacking(held, wanted)
