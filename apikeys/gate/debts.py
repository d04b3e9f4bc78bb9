"""What one process let in while Valkey was away, until Valkey has counted it too. Pure.

It is paid in parts, each under a name of its own: one whose answer was lost is paid again, and
Valkey counts it once.
"""

from collections import deque
from typing import Final, NamedTuple

from apikeys.gate.lockout import Recent
from apikeys.gate.verdict import Entry
from apikeys.gate.windows import LATE_MS, Place

PART: Final = 500  # windows in one call
MOST: Final = 100  # parts that wait; older ones are of windows that have ended
LIFE_MS: Final = 60_000 + LATE_MS  # of a minute's counter
LASTS_FROM: Final = 2  # seconds: a shorter window has ended before Valkey is asked again

# KEYS: the part's name, then counters. ARGV: LIFE_MS, then the units of each.
PAY_SCRIPT: Final = """
if redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[1]) then
  for i = 2, #KEYS do
    redis.call('INCRBY', KEYS[i], ARGV[i])
    redis.call('PEXPIRE', KEYS[i], ARGV[1])
  end
end
return 1
"""


class Part(NamedTuple):
    name: str
    units: tuple[tuple[str, int], ...]  # by the window's key

    @property
    def words(self) -> tuple[str | int, ...]:
        """What PAY_SCRIPT is called with."""
        keys = [key for key, _ in self.units]
        return len(keys) + 1, self.name, *keys, LIFE_MS, *(units for _, units in self.units)


class Debts:
    """Not thread-safe."""

    __slots__ = ("number", "process", "units", "unpaid")

    def __init__(self, process: str) -> None:
        self.process = process
        self.number = 0
        self.units: Recent[int] = Recent()  # in no part yet
        self.unpaid: deque[Part] = deque(maxlen=MOST)

    def __bool__(self) -> bool:
        return bool(self.units or self.unpaid)

    def add(self, places: tuple[Place, ...]) -> None:
        """A request was let in here alone."""
        for place in places:
            if place.wanted and place.seconds >= LASTS_FROM:
                self.units.put(place.key, self.units.get(place.key, 0) + place.wanted)

    def forgive(self, entry: Entry) -> None:
        """It came to nothing; what was paid already stays counted until its window ends."""
        for key in entry.counters:
            if key in self.units:
                self.units[key] = max(0, self.units[key] - entry.units)

    def due(self) -> list[Part]:
        """They are the caller's to send, and to put back into ``unpaid`` if that fails."""
        parts = list(self.unpaid)
        self.unpaid.clear()
        pairs = tuple(self.units.items())
        self.units.clear()
        for start in range(0, len(pairs), PART):
            self.number += 1
            name = f"momentry:debt:{self.process}:{self.number}"
            parts.append(Part(name, pairs[start : start + PART]))
        return parts
