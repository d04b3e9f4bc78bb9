"""Texts that a valid key becomes by one slip, and some that were made to look like it."""

import string
from collections.abc import Iterator

ALPHABET = string.ascii_letters + string.digits + "_"
LOOK_ALIKES = {
    "m": "\u043c",
    "a": "\u0430",
    "e": "\u0435",
    "o": "\u03bf",
    "0": "\uff10",
    "_": "\u2017",
}


def changed(secret: str) -> Iterator[str]:
    """Each character replaced by each other one of the alphabet."""
    for place, old in enumerate(secret):
        for new in ALPHABET:
            if new != old:
                yield secret[:place] + new + secret[place + 1 :]


def inserted(secret: str) -> Iterator[str]:
    for place in range(len(secret) + 1):
        for new in ALPHABET:
            yield secret[:place] + new + secret[place:]


def shortened(secret: str) -> Iterator[str]:
    """One character left out, wherever; cut off at each length from either end."""
    for place in range(len(secret)):
        yield secret[:place] + secret[place + 1 :]
        yield secret[:place]
        yield secret[place + 1 :]


def swapped(secret: str) -> Iterator[str]:
    """Two neighbours change places."""
    for place in range(len(secret) - 1):
        pair = secret[place + 1] + secret[place]
        if pair[0] != pair[1]:
            yield secret[:place] + pair + secret[place + 2 :]


def recased(secret: str) -> Iterator[str]:
    yield from {secret.upper(), secret.lower(), secret.swapcase(), secret.title()} - {secret}
    for place, char in enumerate(secret):
        if char.swapcase() != char:
            yield secret[:place] + char.swapcase() + secret[place + 1 :]


def padded(secret: str) -> Iterator[str]:
    for filler in (" ", "\t", "=", "0", "_", "\0", "\n", "\r", "\x7f", "\xa0", "\u200b", "%00"):
        yield filler + secret
        yield secret + filler
        yield secret[:50] + filler + secret[50:]
    yield secret * 2


def look_alikes(secret: str) -> Iterator[str]:
    for ours, theirs in LOOK_ALIKES.items():
        if ours in secret:
            yield secret.replace(ours, theirs, 1)
    for prefix in ("mtrial", "msvc", "madm"):
        yield secret.replace("muser", prefix, 1)


KINDS = (changed, inserted, shortened, swapped, recased, padded, look_alikes)


def sample(secret: str) -> list[str]:
    """A few of each kind, spread over it."""
    return [text for kind in KINDS for text in spread(list(kind(secret)), 6)]


def spread(texts: list[str], number: int) -> list[str]:
    return texts[:: max(1, len(texts) // number)][:number]
