"""Which refusals of nobody known leave a row each, and which share one; pure.

A flood of requests without a good key must not fill the disk. Up to a rate each has its row, as
any request; beyond it those of one address, status and code that came within half a second share
the row of the first of them, which says how many more there were.
"""

from typing import Final

from apikeys.gate.guard import block
from apikeys.requestlog.row import ERROR_DETAIL_LENGTH, LogRow

PER_ADDRESS: Final = 10  # rows of a second
PER_PROCESS: Final = 100
SECOND: Final = 1.0
SHARED_SECONDS: Final = 0.5  # what a SIGKILL loses is no older than a second (DUR-02)
MOST_SHARED: Final = 25  # rows that are told apart by address; of more only status and code are

Kind = tuple[str, int, str]  # address, status, code


class Sampler:
    """``now``: seconds of a clock that never goes back."""

    __slots__ = ("counts", "more", "second", "shared", "since", "total")

    def __init__(self) -> None:
        self.second = 0.0  # when the one that is counted began
        self.total = 0
        self.counts: dict[str, int] = {}
        self.since = 0.0  # when the first of ``shared`` came
        self.shared: dict[Kind, LogRow] = {}
        self.more: dict[Kind, int] = {}

    def has_room(self, address: str, now: float) -> bool:
        """May this one have a row of its own? Counts it, if so."""
        if now >= self.second + SECOND:
            self.second = now
            self.total = 0
            self.counts.clear()
        place = block(address)
        count = self.counts.get(place, 0)
        if count >= PER_ADDRESS or self.total >= PER_PROCESS:
            return False
        self.counts[place] = count + 1
        self.total += 1
        return True

    def joins(self, address: str, status: int, code: str) -> bool:
        """Is there a row that it shares? Counts it there, if so; else it needs one (share)."""
        kind = self.kind_of(address, status, code)
        if kind not in self.shared:
            return False
        self.more[kind] += 1
        return True

    def share(self, address: str, row: LogRow, now: float) -> None:
        """This row stands for those like it that follow soon."""
        kind = self.kind_of(address, row.status, row.code)
        if not self.shared:
            self.since = now
        self.shared[kind] = row
        self.more[kind] = 0

    def kind_of(self, address: str, status: int, code: str) -> Kind:
        kind = (block(address), status, code)
        if kind in self.shared or len(self.shared) < MOST_SHARED:
            return kind
        return ("", status, code)

    def due(self, now: float, *, at_once: bool = False) -> list[LogRow]:
        """Rows that have stood long enough for others."""
        if not self.shared or (not at_once and now < self.since + SHARED_SECONDS):
            return []
        rows = [told(row, kind, self.more[kind]) for kind, row in self.shared.items()]
        self.shared.clear()
        self.more.clear()
        return rows


def told(row: LogRow, kind: Kind, more: int) -> LogRow:
    if not more:
        return row
    whose = "from this address" if kind[0] else "from any address"
    said = f"And {more} more like it {whose}."
    detail = f"{row.error_detail[: ERROR_DETAIL_LENGTH - len(said) - 1]} {said}"
    return row._replace(error_detail=detail.lstrip())
