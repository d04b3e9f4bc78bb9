"""Burst windows and concurrency (check 8): their keys in Valkey, their scripts, what replies mean.

A window is a second or a minute of the database's clock. A slot is a member of a sorted set whose
score is its end; who holds it renews it, so the slots of a dead process end by themselves. Pure.
"""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from apikeys.gate.effects import Enter, Entered
from apikeys.gate.periods import limit_name
from apikeys.gate.snapshot import Window
from apikeys.gate.verdict import Charge, Entry, Limit

SECONDS: Final = {"second": 1, "minute": 60}
UNITS: Final = {"concurrent": "concurrent-requests"}
SLOT_MS: Final = 5000  # how long a dead process's slots are still taken
RENEW_SECONDS: Final = 1.0
LATE_MS: Final = 5000  # a key that was read in a window may be counted this much after it

# KEYS: counters and sets of slots. ARGV: take or look, token ("" holds no slot), SLOT_MS, by what
# the units that are left are divided for a lease; for each key the units that it needs, those it
# would have on lease besides, its limit, and how long it lives in ms (0: slots).
# Replies whether something was short, then for each key what is used, this request and its lease
# included, and the units on lease.
ENTER_SCRIPT: Final = """
local token, share, short = ARGV[2], tonumber(ARGV[4]), false
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local reply = {0}
for i, key in ipairs(KEYS) do
  local wanted, used = tonumber(ARGV[4 * i + 1]), 0
  if ARGV[4 * i + 4] == '0' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    used = redis.call('ZCARD', key)
  else
    used = tonumber(redis.call('GET', key) or 0)
  end
  short = short or (wanted > 0 and used + wanted > tonumber(ARGV[4 * i + 3]))
  reply[2 * i], reply[2 * i + 1] = used, 0
end
if short then reply[1] = 1 end
if short or ARGV[1] == 'look' then return reply end
for i, key in ipairs(KEYS) do
  local wanted, used = tonumber(ARGV[4 * i + 1]), reply[2 * i]
  if ARGV[4 * i + 4] == '0' then
    if token ~= '' then
      reply[2 * i] = used + redis.call('ZADD', key, now + ARGV[3], token)
      redis.call('PEXPIRE', key, ARGV[3])
    end
  else
    local left = tonumber(ARGV[4 * i + 3]) - used - wanted
    local more = math.max(0, math.min(tonumber(ARGV[4 * i + 2]), math.floor(left / share)))
    if wanted + more > 0 then
      reply[2 * i] = redis.call('INCRBY', key, wanted + more)
      reply[2 * i + 1] = more
      redis.call('PEXPIRE', key, ARGV[4 * i + 4])
    end
  end
end
return reply
"""
# KEYS: counters, then sets of slots. ARGV: how many counters, units, token.
LEAVE_SCRIPT: Final = """
for i, key in ipairs(KEYS) do
  if i > tonumber(ARGV[1]) then
    redis.call('ZREM', key, ARGV[3])
  elseif tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[2]) then
    redis.call('DECRBY', key, ARGV[2])
  end
end
return 1
"""
# KEYS: counters. ARGV: units of each that were on lease and were not spent.
RETURN_SCRIPT: Final = """
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[i]) then
    redis.call('DECRBY', key, ARGV[i])
  end
end
return 1
"""
# KEYS: the set of each slot. ARGV: SLOT_MS, renew or announce, the token of each slot. Replies
# the places of those that Valkey had lost, which only ``announce`` puts back.
RENEW_SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lost = {}
for i, key in ipairs(KEYS) do
  if ARGV[2] == 'announce' or redis.call('ZSCORE', key, ARGV[2 + i]) then
    redis.call('ZADD', key, now + ARGV[1], ARGV[2 + i])
    redis.call('PEXPIRE', key, ARGV[1])
  else
    lost[#lost + 1] = i
  end
end
return lost
"""

Slot = tuple[str, str]  # the set's key and the token


class Place(NamedTuple):
    """Where one window of a request is counted; ``seconds`` 0: in slots.

    ``held``: of what is wanted, units that this process has on lease already; ``more``: how many
    it would have besides.
    """

    key: str
    window: Window
    seconds: int
    wanted: int
    ends_at: datetime | None
    held: int = 0
    more: int = 0


def places_of(effect: Enter) -> tuple[Place, ...]:
    at = int(effect.now.timestamp())
    return tuple(place_of(window, effect.units, at) for window in effect.windows)


def place_of(window: Window, units: int, at: int) -> Place:
    """``at``: the database's second."""
    seconds = SECONDS.get(window.name, 0)
    if not seconds:
        return Place(f"momentry:slots:{window.subject}", window, 0, min(units, 1), None)
    index = at // seconds
    key = f"momentry:window:{window.subject}:{window.name}:{index}"
    ends_at = datetime.fromtimestamp((index + 1) * seconds, UTC)
    return Place(key, window, seconds, units, ends_at)


def enter_keys(places: tuple[Place, ...]) -> tuple[str, ...]:
    return tuple(place.key for place in places)


def enter_arguments(
    effect: Enter, places: tuple[Place, ...], token: str, share: int = 1
) -> tuple[str | int, ...]:
    """``share``: a lease is at most this part of the units that are left."""
    each: list[int] = []
    for place in places:
        life = place.seconds * 1000 + LATE_MS if place.seconds else 0
        each += (place.wanted - place.held, place.more, place.window.limit, life)
    return "look" if effect.dry else "take", token, SLOT_MS, share, *each


def entered(
    effect: Enter,
    places: tuple[Place, ...],
    token: str,
    reply: list[Any],
    leased: tuple[int, ...] = (),
) -> Entered:
    """What ENTER_SCRIPT's reply means; ``leased``: the units of each place that are left now to
    this process alone."""
    used = reply[1::2]
    own = leased or (0,) * len(places)
    limits = tuple(
        limit_of(p, number, left) for p, number, left in zip(places, used, own, strict=True)
    )
    found = zip(places, used, limits, strict=True)
    short = tuple(
        limit for p, number, limit in found if (reply[0] or effect.dry) and is_short(p, number)
    )
    entry = None if short or effect.dry else entry_of(effect, places, token, shared=True)
    return Entered(entry, limits, short)


def is_short(place: Place, used: int) -> bool:
    """As ENTER_SCRIPT decides it."""
    needed = place.wanted - place.held
    return needed > 0 and used + needed > place.window.limit


def short_of(places: tuple[Place, ...], limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    pairs = zip(places, limits, strict=True)
    return tuple(limit for place, limit in pairs if limit.remaining < place.wanted)


def entry_of(effect: Enter, places: tuple[Place, ...], token: str, *, shared: bool) -> Entry | None:
    counters = tuple(p.key for p in places if p.seconds) if effect.units else ()
    slots = tuple(p.key for p in places if not p.seconds) if token else ()
    if not counters and not slots:
        return None
    return Entry(counters, effect.units, slots, token, shared)


def limit_of(place: Place, used: int, own: int = 0) -> Limit:
    """``own`` of what is used is on lease here."""
    window = place.window
    unit = UNITS.get(window.name, "requests")
    left = max(0, window.limit - used) + own
    return Limit(name_of(window), unit, window.limit, left, place.ends_at, place.seconds)


def name_of(window: Window) -> str:
    return window.name if window.subject.startswith("member:") else f"key-{window.name}"


def leave_keys(entry: Entry, *, back: bool) -> tuple[str, ...]:
    """Units go back only where Valkey counted them; slots always."""
    return (entry.counters if back and entry.shared else ()) + entry.slots


def leave_arguments(entry: Entry, keys: tuple[str, ...]) -> tuple[str | int, ...]:
    return len(keys) - len(entry.slots), entry.units, entry.token


def renew_arguments(slots: tuple[Slot, ...], what: str) -> tuple[str | int, ...]:
    return SLOT_MS, what, *(token for _, token in slots)


def returned(
    limits: tuple[Limit, ...], entry: Entry | None, charges: tuple[Charge, ...] = ()
) -> tuple[Limit, ...]:
    """These limits as they are after the request left again and took nothing."""
    charged = {limit_name(*charge[:3]): charge.units for charge in charges}
    return tuple(
        limit._replace(remaining=limit.remaining + units_back(limit, entry, charged))
        for limit in limits
    )


def units_back(limit: Limit, entry: Entry | None, charged: dict[str, int]) -> int:
    """``charged``: units of quotas and budgets, by the limit's name."""
    name = limit.name.removeprefix("key-")
    if name in SECONDS:
        return entry.units if entry else 0
    if name in UNITS:
        return 1 if entry and entry.slots else 0
    return charged.get(limit.name, 0)
