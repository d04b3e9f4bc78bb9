"""What a script of ours replies: anything else was not said by Valkey, or not to us. Pure."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

Fits = Callable[[Any], bool]
LARGEST: Final = 2**63 - 1  # Valkey's numbers have 64 bits; no time can be told by larger ones


def anything(_reply: Any) -> bool:
    return True


def is_number(reply: Any) -> bool:
    return isinstance(reply, int) and abs(reply) <= LARGEST


def is_done(reply: Any) -> bool:
    """Of a script that has nothing to say."""
    return isinstance(reply, int) and reply == 1


def is_text(reply: Any) -> bool:
    return isinstance(reply, bytes)


def says(word: bytes) -> Fits:
    return lambda reply: bool(reply == word)


@lru_cache(maxsize=64)
def numbers(count: int) -> Fits:
    """A list of so many."""

    def fits(reply: Any) -> bool:
        return isinstance(reply, list) and len(reply) == count and all(map(is_number, reply))

    return fits


def places(most: int) -> Fits:
    """A list of some of the numbers from 1 to ``most``."""

    def fits(reply: Any) -> bool:
        return isinstance(reply, list) and all(is_number(n) and 0 < n <= most for n in reply)

    return fits
