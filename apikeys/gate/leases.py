"""The leases of one process, and how requests spend them. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from apikeys.gate import windows
from apikeys.gate.effects import Enter, Entered
from apikeys.gate.lease import LEASED_FROM, RESTS_FROM, Lease
from apikeys.gate.local import Local
from apikeys.gate.lockout import MAX_ENTRIES, Recent
from apikeys.gate.snapshot import Window
from apikeys.gate.spares import Names, Spares
from apikeys.gate.verdict import Entry, Limit
from apikeys.gate.windows import Place

new: Final = tuple.__new__  # a named tuple's own costs a third more, for every request
Units = list[tuple[str, int]]  # Valkey's keys, and what goes back there


class Held(NamedTuple):
    """The windows of a key, kept so that its id stays theirs, their leases and sets of slots."""

    windows: tuple[Window, ...]
    leases: tuple[Lease, ...]
    sets: Names
    order: tuple[Lease | None, ...]  # as the windows'; None: a set of slots


class Asked(NamedTuple):
    """A question to Valkey; ``leases``: None where there is none. ``sets``: those that may have
    spare slots; ``token``: a spare one that was taken for this request."""

    places: tuple[Place, ...]
    leases: tuple[Lease | None, ...]
    sets: Names = ()
    token: str = ""

    def current(self) -> Iterator[tuple[int, Place, Lease]]:
        """Those whose window has not ended meanwhile, and their numbers."""
        for number, (place, lease) in enumerate(zip(self.places, self.leases, strict=True)):
            if lease is not None and lease.key == place.key:
                yield number, place, lease


class Leases:
    """Not thread-safe. ``returning`` is what the owner sends back to Valkey."""

    __slots__ = ("kept", "local", "processes", "returning", "sets", "spares")

    def __init__(self, local: Local, spares: Spares) -> None:
        self.local = local
        self.spares = spares
        self.processes = 1
        self.kept: Recent[Lease] = Recent()  # by subject and name of the window
        self.sets: dict[int, Held] = {}  # by the id of a key's windows
        self.returning: Units = []

    def enter(self, effect: Enter) -> Entered | None:
        """From memory alone; None when it is not enough."""
        held = self.sets.get(id(effect.windows))
        units, now = effect.units, effect.now
        if held is None or units <= 0 or effect.dry:
            return None
        for lease in held.leases:
            if lease.left < units or not lease.begins_at <= now < lease.ends_at:
                return None
        token = ""
        if held.sets and not (effect.holds and (token := self.spares.take_now(held.sets))):
            return None
        limits, keys = [], []
        for lease in held.leases:
            lease.left -= units
            lease.spent += units
            left = lease.known + lease.left
            limit = (lease.name, "requests", lease.limit, left, lease.ends_at, lease.seconds)
            limits.append(new(Limit, limit))
            keys.append(lease.key)
        if token:
            self.put_slots(held, limits)
        entry = new(Entry, (tuple(keys), units, held.sets, token, True))
        return new(Entered, (entry, tuple(limits), ()))

    def put_slots(self, held: Held, limits: list[Limit]) -> None:
        """Among the others, in the order of the windows."""
        sets, slots = self.spares.enter(held.sets), self.local.held
        number = 0
        for place, lease in enumerate(held.order):
            if lease is None:
                own = slots[held.sets[number]]
                limits.insert(place, sets[number].shown(len(own)))
                number += 1

    def ask(self, effect: Enter) -> Asked:
        """What Valkey must be asked; ``answered`` must follow. What is on lease here already is set
        aside for this request."""
        places = windows.places_of(effect)
        leases = tuple(self.lease_of(place) for place in places)
        sets = self.spares.follow(places)
        self.remember(effect.windows, leases, sets)
        token = self.spares.take(sets) if effect.holds and not effect.dry else ""
        slot = 1 if token or self.spares.has(sets) else 0
        asked = tuple(
            place._replace(held=0 if place.seconds else slot)
            if lease is None
            else self.reserve(effect, place, lease)
            for place, lease in zip(places, leases, strict=True)
        )
        return Asked(asked, leases, sets, token)

    def lease_of(self, place: Place) -> Lease | None:
        """None: each request asks Valkey, as there is no lease or its window is a later one."""
        if not place.seconds or place.window.limit < LEASED_FROM:
            return None
        name = base_of(place.key)
        lease = self.kept.get(name)
        if lease is None:
            lease = Lease(place)
            self.kept.put(name, lease)
        elif place.key != lease.key:
            if place.ends_at is None or place.ends_at < lease.ends_at:
                return None
            lease.follow(place)
            self.kept.move_to_end(name)
        if lease.limit != place.window.limit:
            self.give_back(lease.key, lease.change(place.window.limit))
        return lease

    def remember(
        self, wanted: tuple[Window, ...], leases: tuple[Lease | None, ...], sets: Names
    ) -> None:
        if len(self.sets) >= MAX_ENTRIES:
            self.sets.clear()
        known = tuple(lease for lease in leases if lease is not None)
        if len(known) + len(sets) == len(wanted):
            self.sets[id(wanted)] = Held(wanted, known, sets, leases)

    def reserve(self, effect: Enter, place: Place, lease: Lease) -> Place:
        held = min(lease.left, place.wanted)
        if effect.dry or not place.wanted:
            return place._replace(held=held)
        more = lease.wish(place.wanted, self.processes)
        lease.left -= held
        lease.asking = lease.asking or more > 0
        return place._replace(held=held, more=more)

    def answered(self, effect: Enter, asked: Asked, reply: list[Any] | None) -> None:
        """``reply`` None: Valkey is away, or nobody waits for it any more."""
        for place, lease in zip(asked.places, asked.leases, strict=True):
            if lease is not None and place.more:
                lease.asking = False
        for number, place, lease in asked.current():
            if reply is not None:
                lease.known = lease.limit - reply[2 * number + 1]
            if effect.dry:
                continue
            if reply is None or reply[0]:
                lease.left += place.held
                continue
            lease.spent += place.wanted
            self.grant(lease, place, reply[2 * number + 2])
        if reply is None or reply[0]:
            self.slots_refused(asked, reply)

    def slots_refused(self, asked: Asked, reply: list[Any] | None) -> None:
        """The set that had no room left needs what is spare in it."""
        if asked.token:
            self.spares.put_back(asked.sets, asked.token)
        for number, place in enumerate(asked.places):
            if place.key in asked.sets and (
                reply is None or windows.is_short(place, reply[2 * number + 1])
            ):
                self.spares.give_up(place.key)

    def left(self, asked: Asked) -> tuple[int, ...]:
        """What this process alone may take of each place."""
        left = {number: lease.left for number, _, lease in asked.current()}
        return tuple(
            left.get(number, 0) if place.seconds else self.spares.spare(place.key)
            for number, place in enumerate(asked.places)
        )

    def entered(self, asked: Asked, used: Sequence[int]) -> None:
        """Valkey let a request in, which is among those that are held here."""
        taken = [
            (number, len(self.local.held.get(place.key, ())))
            for place, number in zip(asked.places, used, strict=True)
            if place.key in asked.sets
        ]
        if taken:
            self.spares.entered(asked.sets, taken, self.processes)

    def grant(self, lease: Lease, place: Place, units: int) -> None:
        if lease.limit == place.window.limit:
            lease.left += units
        else:
            self.give_back(lease.key, units)

    def take_back(self, entry: Entry) -> tuple[str, ...]:
        """Of a request that came to nothing; the counters whose units must go back to Valkey."""
        return tuple(key for key in entry.counters if not self.takes_back(key, entry))

    def takes_back(self, key: str, entry: Entry) -> bool:
        lease = self.kept.get(base_of(key))
        if lease is None or lease.key != key:
            return False
        if not entry.shared:
            lease.spent = max(0, lease.spent - entry.units)
            return False
        return lease.take_back(entry.units, self.processes)

    def rest(self) -> None:
        """What lay still since this was called last goes back: others may want it."""
        for lease in self.kept.values():
            if lease.left and lease.rested == lease.spent and lease.seconds >= RESTS_FROM:
                self.give_back(lease.key, lease.left)
                lease.left = 0
            lease.rested = lease.spent
        self.spares.rest()

    def close(self) -> None:
        self.spares.give_up_all()
        for lease in self.kept.values():
            self.give_back(lease.key, lease.left)
            lease.left = 0

    def give_back(self, key: str, units: int) -> None:
        if units:
            self.returning.append((key, units))

    def returned(self, number: int) -> Units:
        """At most so many of what goes back; they are the caller's to send."""
        units, self.returning = self.returning[:number], self.returning[number:]
        return units


def base_of(key: str) -> str:
    """Without the number of the window."""
    return key.rpartition(":")[0]


def return_words(units: Units) -> tuple[str | int, ...]:
    """What RETURN_SCRIPT is called with."""
    return len(units), *(key for key, _ in units), *(number for _, number in units)
