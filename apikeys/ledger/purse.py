"""A purse: units of one counter's present period that one gateway process holds. Pure."""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from apikeys.gate.effects import Take
from apikeys.gate.periods import Period
from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Charge, Limit
from apikeys.ledger.take import name_of, window_of

Parameters = dict[str, Any]
FOREVER: Final = datetime.max.replace(tzinfo=UTC)
FIRST_UNITS: Final = 256  # at most on lease, of one counter, until it is known to be spent fast
MOST_REQUESTS: Final = 4096  # whose units may be on lease at most
FAST_SECONDS: Final = 0.5  # between two fillings
SLOW_SECONDS: Final = 4.0
new: Final = tuple.__new__  # a named tuple's own costs a third more, for every request


class Purse:
    """``left`` may end below 0 by what a call cost beyond its hold; ``held`` is the lease as the
    database knows it, ``said`` what it was told to be spent of that. ``free`` and ``elsewhere``:
    what the counter and others' leases had left; ``most``: units that it asks for at most."""

    __slots__ = (
        "asked", "charged", "counter", "elsewhere", "ends", "filled_at", "free", "held", "left",
        "low", "most", "name", "period", "quota", "said", "shown_until", "spent_at", "start",
        "sure_until", "window",
    )  # fmt: skip

    def __init__(self, quota: Quota, period: Period) -> None:
        # In UTC, as each request's moment is: to compare across zones costs ten times as much.
        period = Period(in_utc(period.start), period.end and in_utc(period.end))
        self.quota = quota
        self.period = period
        self.ends = period.end or FOREVER
        self.start = (*quota[:3], period.start)  # as a charge begins
        self.charged = Charge(*self.start, 0)  # the last one: most are like the one before
        self.name = name_of(quota)
        self.window = window_of(period)
        self.counter = 0  # not known
        self.left = self.held = self.said = self.low = 0
        self.free = self.elsewhere = 0
        self.asked = False
        self.spent_at = self.shown_until = self.sure_until = self.filled_at = 0.0
        self.most = FIRST_UNITS

    @property
    def spent(self) -> int:
        """Of the lease, as far as the database can know it."""
        return min(self.held, max(0, self.held - self.left))

    @property
    def has_surplus(self) -> bool:
        """By what came back: the database does not know of it, so nobody would call it back."""
        return self.left > self.held

    def filled(self, need: int, clock: float) -> None:
        """Soon again: each asking is to last for longer. ``need``: one request's units."""
        seconds, self.filled_at = clock - self.filled_at, clock
        if seconds < FAST_SECONDS:
            self.most = max(self.most, min(self.most * 2, need * MOST_REQUESTS))
        elif seconds > SLOW_SECONDS:
            self.most = max(FIRST_UNITS, self.most // 2)

    def fits(self, quota: Quota, now: datetime) -> bool:
        """The same limit, and still its period. A clock may also go back."""
        return quota[3] == self.quota[3] and self.period[0] <= now < self.ends

    def limit(self, *, elsewhere: bool = True) -> Limit:
        _, metric, _, most = self.quota
        left = self.left + self.free
        if elsewhere:
            left += self.elsewhere
        return new(Limit, (self.name, metric, most, max(0, left), self.period[1], self.window))

    def charge(self, units: int) -> Charge:
        if self.charged[4] != units:
            self.charged = new(Charge, (*self.start, units))
        return self.charged


def in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


class Order(NamedTuple):
    """One asking: ``parameters`` are sql.LEASE's (and sql.OPEN's)."""

    take: Take
    purses: tuple[Purse, ...]
    parameters: Parameters
