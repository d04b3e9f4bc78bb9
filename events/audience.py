"""Staff as letters reach them. Who they are, accounts says at its start: events knows no people."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from momentry.common.veil import veils


@veils("email")
class Reader(NamedTuple):
    email: str
    locale: str
    member: str  # the account's id in hex


finders: Final[list[Callable[[str], Iterable[Reader]]]] = []
"""Each says which staff that may log in, have an address and hold this permission."""


def staff_with(permission: str) -> list[Reader]:
    return list(dict.fromkeys(reader for find in finders for reader in find(permission)))
