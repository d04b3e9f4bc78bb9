"""One lease of a burst window: units that Valkey has counted, for this process to spend. Pure.

It ends with its window. It is never more than the limit / (PART * processes), than this process has
let in of this window or of the one before, and than what is left in Valkey / (SHARE * processes):
so hardly a unit lies with a process that has no requests when others want it.
"""

from datetime import timedelta
from typing import Final

from apikeys.gate import windows
from apikeys.gate.windows import Place

LEASED_FROM: Final = 50  # a smaller limit is one call of Valkey per request
FIRST: Final = 16  # requests of a window that a process asks for one by one: headers stay exact
PART: Final = 8
SHARE: Final = 2
RESTS_FROM: Final = 2  # seconds: a shorter window has ended before a lease could come back


class Lease:
    """What this process has of one window, and what it knows of the rest."""

    __slots__ = (
        "asking", "before", "begins_at", "ends_at", "key", "known", "left", "limit", "name",
        "rested", "seconds", "spent",
    )  # fmt: skip

    def __init__(self, place: Place) -> None:
        self.limit = place.window.limit
        self.name = windows.name_of(place.window)
        self.seconds = place.seconds
        self.asking = False  # one question at a time is about a lease
        self.spent = self.before = 0  # let in by this process, in this window and the one before
        self.begin(place)

    def begin(self, place: Place) -> None:
        assert place.ends_at is not None  # noqa: S101  only concurrency has no end
        self.key = place.key
        self.begins_at = place.ends_at - timedelta(seconds=place.seconds)
        self.ends_at = place.ends_at
        self.left = 0
        self.known = self.limit  # left in Valkey, by its last answer; below 0: the limit fell
        self.spent = 0
        self.rested = -1

    def follow(self, place: Place) -> None:
        """Into this window, which is a later one."""
        before = self.spent if place.ends_at == self.ends_at + self.length else 0
        self.begin(place)
        self.before = before

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    def wish(self, units: int, processes: int) -> int:
        """How many units it would have besides those that are needed now."""
        return 0 if self.asking else max(0, self.bound(processes) - units)

    def bound(self, processes: int) -> int:
        """The most that this process may have on lease now."""
        recent = max(self.spent, self.before)
        return min(self.limit // (PART * processes), recent) if recent >= FIRST else 0

    def change(self, limit: int) -> int:
        """What was on lease under another limit; it must not be spent any more."""
        unspent, self.left = self.left, 0
        self.known += limit - self.limit
        self.limit = limit
        return unspent

    def take_back(self, units: int, processes: int) -> bool:
        """Units of a request that came to nothing, which Valkey has counted. False when they must
        go back there: the lease would grow beyond its bound, or the limit fell below them."""
        self.spent = max(0, self.spent - units)
        if self.left + units > self.bound(processes) or self.known < 0:
            return False
        self.left += units
        return True
