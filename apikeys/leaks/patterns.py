"""Where in bytes a key may stand: our own by their form, imported ones by what they begin with.

Pure, standard library only. Nothing is asked of what stands around a key: in JSON it may follow
``\\n``, in a URL ``%22``, and its length and checksum say where it ends. UTF-16 is read too, in
which PowerShell and other programs of Windows write.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from apikeys import foreign, keyformat
from momentry.common.veil import veils

MIDDLE: Final = (("[0-9a-f]", "32"), ("[0-9a-z]", "1,8"), ("[0-9A-Za-z]", "43"))
LAST: Final = keyformat.SUFFIX_LENGTH * 2  # the owner's hash and the checksum
# Where an imported secret may end: before a character that is none of these.
RUNS: Final = tuple(
    re.compile(rf"[{letters}]+", re.ASCII)
    for letters in (r"0-9A-Za-z_-", r"0-9A-Za-z_.~+/=-", r"\x21-\x7e")
)
PUNCTUATION: Final = "._~+/=-"
LONGEST: Final = 256  # of an imported secret; ours are shorter
OVERLAP: Final = 2 * LONGEST + 2  # bytes that hold any secret, in UTF-16 too


@veils("texts")
class Candidate(NamedTuple):
    """``start``: its first byte. ``texts``: what it may be; of our own form it is one text.
    ``shown``: what may be printed of it."""

    start: int
    texts: tuple[str, ...]
    is_own: bool
    shown: str


def narrow(prefix: str) -> str:
    middle = "_".join(f"{letters}{{{number}}}" for letters, number in MIDDLE)
    return f"{prefix}_{middle}_[0-9A-Za-z]{{{LAST}}}"


def wide(prefix: str) -> str:
    """In UTF-16 of either byte order: a zero byte after each character but the last."""
    begin = "".join(rf"{letter}\x00" for letter in f"{prefix}_")
    middle = r"_\x00".join(rf"(?:{letters}\x00){{{number}}}" for letters, number in MIDDLE)
    return rf"{begin}{middle}_\x00(?:[0-9A-Za-z]\x00){{{LAST - 1}}}[0-9A-Za-z]"


# All alternatives begin with one letter, which the engine takes out and looks for by itself.
OWN: Final = re.compile(
    "|".join(form(prefix) for form in (narrow, wide) for prefix in keyformat.PREFIXES).encode()
)


def imported(formats: Iterable[str]) -> re.Pattern[bytes] | None:
    """What begins with one of these; None when there are none."""
    begins = "|".join(re.escape(text) for text in sorted(formats, key=len, reverse=True))
    return re.compile(rf"({begins})[\x21-\x7e]{{1,{LONGEST}}}".encode()) if begins else None


def own_in(data: bytes | bytearray, start: int, end: int) -> Iterator[Candidate]:
    """Of our keys' form, and with the checksum of one."""
    for match in matches(OWN, data, start, end):
        text = match[0].replace(b"\0", b"").decode("ascii")
        if (parsed := keyformat.parse(text)) is not None:
            yield Candidate(match.start(), (text,), True, keyformat.mask(*parsed))


def imported_in(
    pattern: re.Pattern[bytes], data: bytes | bytearray, start: int, end: int
) -> Iterator[Candidate]:
    """Nothing says where such a secret ends, nor whether it is one."""
    for match in matches(pattern, data, start, end):
        texts = tuple(dict.fromkeys(ends_of(match[0].decode("ascii"))))
        if texts:
            yield Candidate(match.start(), texts, False, f"{match[1].decode('ascii')}…****")


def matches(
    pattern: re.Pattern[bytes], data: bytes | bytearray, start: int, end: int
) -> Iterator[re.Match[bytes]]:
    """Those that overlap too: what only looks like a key may hold the beginning of one."""
    while (match := pattern.search(data, start, end)) is not None:
        yield match
        start = match.start() + 1


def ends_of(text: str) -> Iterator[str]:
    for run in RUNS:
        if found := run.match(text):
            for known in (found[0], found[0].rstrip(PUNCTUATION)):
                if foreign.is_secret(known):
                    yield known
