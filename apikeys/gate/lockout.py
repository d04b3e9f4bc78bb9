"""The lock-out of addresses that keep showing wrong secrets: its rules, its scripts, its memory.

No I/O but a log line. Valkey counts for all doors (the scripts); Memory counts in this process
for the time that Valkey is away, and remembers what Valkey said of locks.
"""

import hashlib
import logging
from collections import OrderedDict
from typing import Final, Generic, NamedTuple, TypeVar

V = TypeVar("V")
logger: Final = logging.getLogger("momentry.lockout")

PREFIX: Final = "momentry:fail:"
PROVEN_PREFIX: Final = "momentry:proven:"
PERSON: Final = b"momentry proven"
MAX_ENTRIES: Final = 10_000
SLOT_SECONDS: Final = 1.0  # between two look-ups of a locked address
PROVEN_SECONDS: Final = 3600  # a secret that opened its key is known so long
TELL_SECONDS: Final = 600.0  # how often Valkey is told again
LOOK_ARGUMENTS: Final = (1000,)  # SLOT_SECONDS in ms
CLEAR_SECONDS: Final = 1.0  # how long an address with a right key need not be asked about
TIMEOUT_SECONDS: Final = 0.1  # a stall shorter than this must not split the count by process
AWAY_SECONDS: Final = 1.0  # how long Valkey is left alone after it did not answer

# KEYS: times, lock. ARGV: attempts, window in ms. The last failures' times are kept, so any window
# counts, not only a fixed one. Replies the milliseconds left if it was locked already; those of a
# lock that begins with this failure, negative; else 0.
COUNT_SCRIPT: Final = """
local left = redis.call('PTTL', KEYS[2])
if left > 0 then return left end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local attempts, window = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('LPUSH', KEYS[1], now)
redis.call('LTRIM', KEYS[1], 0, attempts - 1)
redis.call('PEXPIRE', KEYS[1], window)
if redis.call('LLEN', KEYS[1]) >= attempts
   and now - tonumber(redis.call('LINDEX', KEYS[1], -1)) < window then
  redis.call('SET', KEYS[2], 1, 'PX', window)
  redis.call('DEL', KEYS[1])
  return -window
end
return 0
"""
# KEYS: lock, slot, proven. ARGV: slot in ms. Replies {may look up, milliseconds the lock lasts}.
LOOK_SCRIPT: Final = """
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then return {1, 0} end
if redis.call('EXISTS', KEYS[3]) == 1 then return {1, left} end
if redis.call('SET', KEYS[2], 1, 'NX', 'PX', ARGV[1]) then return {1, left} end
return {0, left}
"""


class Rules(NamedTuple):
    """``attempts`` failures within ``window`` seconds lock an address for as many seconds."""

    attempts: int = 5
    window: int = 900

    @property
    def arguments(self) -> tuple[int, int]:
        """Those of COUNT_SCRIPT."""
        return self.attempts, self.window * 1000


class Permit(NamedTuple):
    """May the secret be looked up? ``locked``: seconds the lock lasts, 0 when there is none."""

    allowed: bool
    locked: float = 0.0


def count_keys(block: str) -> tuple[str, str]:
    return f"{PREFIX}{block}", f"{PREFIX}{block}:lock"


def look_keys(block: str, mark: bytes) -> tuple[str, str, str]:
    return f"{PREFIX}{block}:lock", f"{PREFIX}{block}:slot", proven_key(mark)


def proven_key(mark: bytes) -> str:
    return f"{PROVEN_PREFIX}{mark.hex()}"


def mark_of(secret: str, pepper: bytes) -> bytes:
    """What stands for a secret in memory and in Valkey; it is no digest that opens anything."""
    text = secret.encode()
    return hashlib.blake2b(text, key=pepper[:64], person=PERSON, digest_size=16).digest()


class Outage:
    """Says once that Valkey went away and once that it is back."""

    __slots__ = ("lasts",)

    def __init__(self) -> None:
        self.lasts = False

    def began(self, error: Exception) -> None:
        if not self.lasts:
            self.lasts = True
            name = type(error).__name__
            logger.warning("Valkey does not answer (%s): wrong keys are counted per process", name)

    def ended(self) -> None:
        if self.lasts:
            self.lasts = False
            logger.warning("Valkey answers again: wrong keys are counted together")


class Recent(OrderedDict[str, V], Generic[V]):
    """At most MAX_ENTRIES; the one that was written longest ago goes first."""

    def put(self, name: str, value: V) -> None:
        self[name] = value
        self.move_to_end(name)
        if len(self) > MAX_ENTRIES:
            self.popitem(last=False)


class Memory:
    """What one process knows. ``now`` is a monotonic clock's, in seconds. Not thread-safe."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.failures: Recent[list[float]] = Recent()
        self.locks: Recent[float] = Recent()  # until
        self.slots: Recent[float] = Recent()  # next look-up
        self.clear: Recent[float] = Recent()  # until then nobody need be asked
        self.proven: Recent[tuple[float, float]] = Recent()  # until; Valkey is told again

    def count(self, block: str, now: float) -> float:
        """Seconds left if the address was locked already, else 0: then the failure is counted."""
        self.clear.pop(block, None)
        left = self.left(block, now)
        if left > 0:
            return left
        times = [time for time in self.failures.get(block, ()) if time > now - self.rules.window]
        times.append(now)
        if len(times) >= self.rules.attempts:
            self.failures.pop(block, None)
            self.lock(block, now + self.rules.window)
        else:
            self.failures.put(block, times)
        return 0.0

    def left(self, block: str, now: float) -> float:
        return max(0.0, self.locks.get(block, 0.0) - now)

    def lock(self, block: str, until: float) -> None:
        self.clear.pop(block, None)
        self.locks.put(block, until)

    def look(self, block: str, mark: bytes, now: float) -> Permit:
        """As LOOK_SCRIPT, by this process's knowledge alone."""
        left = self.left(block, now)
        if left <= 0 or self.is_proven(mark, now):
            return Permit(True, left)
        if self.slots.get(block, 0.0) > now:
            return Permit(False, left)
        self.slots.put(block, now + SLOT_SECONDS)
        return Permit(True, left)

    def is_clear(self, block: str, now: float) -> bool:
        """Did a right key come from there just now, with no lock in sight?"""
        return self.clear.get(block, 0.0) > now

    def known(self, block: str, mark: bytes, now: float) -> Permit | None:
        """The answer that needs no asking; None when Valkey must be asked."""
        left = self.left(block, now)
        return Permit(True, left) if left > 0 and self.is_proven(mark, now) else None

    def told(self, block: str, permit: Permit, now: float) -> Permit:
        """Remember what Valkey said of a look-up."""
        if permit.locked > 0:
            self.lock(block, now + permit.locked)
        else:
            self.locks.pop(block, None)
        return permit

    def counted(self, block: str, reply: int, now: float) -> float:
        """Remember COUNT_SCRIPT's reply; seconds that the address was locked already."""
        if reply:
            self.lock(block, now + abs(reply) / 1000)
        else:
            self.locks.pop(block, None)
        return max(0.0, reply / 1000)

    def prove(self, block: str, mark: bytes, now: float) -> bool:
        """The secret opened its key. Must Valkey be told?"""
        if self.left(block, now) <= 0:
            self.clear.put(block, now + CLEAR_SECONDS)
        name = mark.hex()
        _, again = self.proven.get(name, (0.0, 0.0))
        if again > now:
            return False
        self.proven.put(name, (now + PROVEN_SECONDS, now + TELL_SECONDS))
        return True

    def is_proven(self, mark: bytes, now: float) -> bool:
        return self.proven.get(mark.hex(), (0.0, 0.0))[0] > now
