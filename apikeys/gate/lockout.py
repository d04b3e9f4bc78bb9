"""The lock-out of addresses that keep showing wrong secrets: its rules, its scripts, its memory.

Pure. Valkey counts for all doors (the scripts); Memory counts in this process
for the time that Valkey is away, and remembers what Valkey said of locks.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

V = TypeVar("V")

PREFIX: Final = "momentry:fail:"
PROVEN_PREFIX: Final = "momentry:proven:"
PERSON: Final = b"momentry proven"
MAX_ENTRIES: Final = 10_000
SLOT_SECONDS: Final = 1.0  # between two look-ups from one slot of a locked address
ANY_SECONDS: Final = 0.05  # between any two, for a door that does not know which ids exist
PROVEN_SECONDS: Final = 3600  # a secret that opened its key is known so long
TELL_SECONDS: Final = 600.0  # how often Valkey is told again
CLEAR_SECONDS: Final = 1.0  # how long an address with a right key need not be asked about

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
# KEYS: lock, proven, slot, the address's slot for any. ARGV: both slots' ms, 0 for none.
# Replies {may look up, milliseconds the lock lasts}.
LOOK_SCRIPT: Final = """
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then return {1, 0} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {1, left} end
if ARGV[1] == '0' or redis.call('EXISTS', KEYS[3]) == 1 then return {0, left} end
if ARGV[2] ~= '0' and not redis.call('SET', KEYS[4], 1, 'NX', 'PX', ARGV[2]) then
  return {0, left}
end
redis.call('SET', KEYS[3], 1, 'PX', ARGV[1])
return {1, left}
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


class Slot(NamedTuple):
    """One look-up at a time, when the address is locked. ``seconds`` until the next from this slot,
    0: none is given; ``any_seconds`` until the next from any such slot of the address."""

    name: str
    seconds: float = SLOT_SECONDS
    any_seconds: float = 0.0

    @property
    def arguments(self) -> tuple[int, int]:
        """Those of LOOK_SCRIPT."""
        return round(self.seconds * 1000), round(self.any_seconds * 1000)


ADDRESS: Final = Slot("")  # shared by all that is looked up from there
NOTHING: Final = Slot("", 0.0)


def slot_of_key(key_id: UUID) -> Slot:
    """Its own, so that no guess at another key takes it."""
    return Slot(f"id:{key_id.hex}")


def slot_of_format(secret: str, formats: Iterable[str]) -> Slot:
    """Of imported secrets that begin alike."""
    known = max((form for form in formats if secret.startswith(form)), key=len, default="")
    return Slot(f"format:{known}")


def count_keys(block: str) -> tuple[str, str]:
    return f"{PREFIX}{block}", f"{PREFIX}{block}:lock"


def look_keys(block: str, mark: bytes, slot: Slot) -> tuple[str, str, str, str]:
    _, lock = count_keys(block)
    return lock, proven_key(mark), slot_key(block, slot), any_key(block)


def slot_key(block: str, slot: Slot) -> str:
    return f"{PREFIX}{block}:slot:{slot.name}"


def any_key(block: str) -> str:
    return f"{PREFIX}{block}:any"


def proven_key(mark: bytes) -> str:
    return f"{PROVEN_PREFIX}{mark.hex()}"


def mark_of(secret: str, pepper: bytes) -> bytes:
    """What stands for a secret in memory and in Valkey; it is no digest that opens anything."""
    text = secret.encode()
    return hashlib.blake2b(text, key=pepper[:64], person=PERSON, digest_size=16).digest()


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

    def look(self, block: str, mark: bytes, now: float, slot: Slot = ADDRESS) -> Permit:
        """As LOOK_SCRIPT, by this process's knowledge alone."""
        left = self.left(block, now)
        is_free = left <= 0 or self.is_proven(mark, now)
        return Permit(is_free or self.take(block, slot, now), left)

    def take(self, block: str, slot: Slot, now: float) -> bool:
        own, shared = slot_key(block, slot), any_key(block)
        if slot.seconds == 0 or self.slots.get(own, 0.0) > now:
            return False
        if slot.any_seconds:
            if self.slots.get(shared, 0.0) > now:
                return False
            self.slots.put(shared, now + slot.any_seconds)
        self.slots.put(own, now + slot.seconds)
        return True

    def free(self, block: str, slot: Slot, now: float) -> bool:
        """A look-up from it proved a secret. Must Valkey be told?"""
        self.slots.pop(slot_key(block, slot), None)
        return self.left(block, now) > 0

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
