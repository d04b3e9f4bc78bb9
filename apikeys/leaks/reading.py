"""Streams of any length searched for keys, in a buffer of fixed size. Standard library only."""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from apikeys.leaks.patterns import OVERLAP, Candidate, imported_in, own_in

PIECE: Final = 1 << 20  # bytes: what stays in a processor's cache
# Fills the front of what it is given; how many bytes there were, 0 at the end.
Fill = Callable[[memoryview], int | None]


class Hit(NamedTuple):
    """``offset``: the key's first byte in the stream. ``line``: from 1."""

    candidate: Candidate
    offset: int
    line: int


class Searcher:
    """One for many streams. ``pattern``: of imported secrets (patterns.imported), if there are any;
    ``done``: bytes read so far; ``tick``: called for each piece that was read."""

    def __init__(
        self,
        pattern: re.Pattern[bytes] | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.pattern = pattern
        self.tick = tick
        self.buffer = bytearray(OVERLAP + PIECE)
        self.view = memoryview(self.buffer)
        self.done = 0

    def search(self, fill: Fill) -> Iterator[Hit]:
        """Raises what ``fill`` raises. A key that may go on in the next piece waits for that."""
        first = kept = lines = 0  # the buffer's first byte: its offset, and the lines before it
        begin = 0  # where nobody looked yet
        while count := fill(self.view[kept:]):
            self.done += count
            self.tick()
            filled = kept + count
            sure = max(begin, filled - OVERLAP)
            yield from self.look(begin, sure, filled, first, lines)
            dropped = max(0, filled - OVERLAP)
            lines += self.buffer.count(b"\n", 0, dropped)
            self.view[: filled - dropped] = self.view[dropped:filled]
            first, kept, begin = first + dropped, filled - dropped, sure - dropped
        yield from self.look(begin, kept, kept, first, lines)

    def look(self, begin: int, sure: int, filled: int, first: int, lines: int) -> Iterator[Hit]:
        """Keys that begin from ``begin`` up to, not including, ``sure``."""
        for candidate in self.candidates(begin, filled):
            if candidate.start < sure:
                line = lines + self.buffer.count(b"\n", 0, candidate.start) + 1
                yield Hit(candidate, first + candidate.start, line)

    def candidates(self, begin: int, filled: int) -> Iterator[Candidate]:
        yield from own_in(self.buffer, begin, filled)
        if self.pattern is not None:
            yield from imported_in(self.pattern, self.buffer, begin, filled)
