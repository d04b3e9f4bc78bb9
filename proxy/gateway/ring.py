"""Request log rows that wait to be written, bounded in number and in bytes; the oldest go first."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from apikeys.requestlog.row import LogRow

CAPACITY: Final = 50_000
MAX_BYTES: Final = 64 << 20
MAX_OUT: Final = 5_000
ROW_BYTES: Final = 1_000  # of a row in memory, without the two texts that a client makes long
MOST_BYTES: Final = 5_700  # with the longest, none of them ASCII


class Ring:
    """Rows that were taken and are not done with count too, but cannot be dropped.

    ``held``: bytes of all. None while there are so ``few`` rows that they fit, whatever they are:
    to weigh each would double what appending costs.
    """

    __slots__ = ("capacity", "few", "held", "max_bytes", "out", "rows", "taken")

    def __init__(self, capacity: int = CAPACITY, max_bytes: int = MAX_BYTES) -> None:
        self.capacity = capacity
        self.max_bytes = max_bytes
        self.few = max(0, min(capacity, max_bytes // MOST_BYTES) - MAX_OUT)
        self.rows: deque[LogRow] = deque()
        self.held: int | None = None
        self.taken: list[LogRow] = []
        self.out = 0  # of those that were taken

    def append(self, row: LogRow) -> int:
        """How many had to go for it."""
        rows = self.rows
        rows.append(row)
        if len(rows) <= self.few:
            return 0
        if self.held is None:
            return self.shrink(bytes_of(rows) + bytes_of(self.taken))
        return self.shrink(self.held + bytes_of((row,)))

    def shrink(self, held: int) -> int:
        dropped = 0
        while self.rows and (len(self) > self.capacity or held > self.max_bytes):
            held -= bytes_of((self.rows.popleft(),))
            dropped += 1
        self.held = held
        return dropped

    def take(self) -> list[LogRow]:
        """The oldest, to be written. To be called when none are out."""
        rows = self.rows
        self.taken = [rows.popleft() for _ in range(min(MAX_OUT, len(rows)))]
        self.out = len(self.taken)
        if len(rows) <= self.few:
            self.held = None
        return self.taken

    def done(self, count: int) -> None:
        """So many of those that were taken are written, or given up."""
        self.out -= count
        if not self.out:
            if self.held is not None:
                self.held -= bytes_of(self.taken)
            self.taken = []

    def __len__(self) -> int:
        return len(self.rows) + self.out


def bytes_of(rows: Iterable[LogRow]) -> int:
    """In memory; CPython keeps a text with one character that is not Latin-1 twice as wide."""
    total = 0
    for row in rows:
        text = len(row.path) + len(row.user_agent)
        is_narrow = row.path.isascii() and row.user_agent.isascii()
        total += ROW_BYTES + (text if is_narrow else 2 * text)
    return total
