"""Slots that a process keeps between two of its requests, so that neither asks Valkey. Pure.

A slot that a request gave up is spare: it stays in Valkey's set, renewed like one in use, and the
next request takes it. So what runs never exceeds what Valkey counted. Spare slots of one set are
never more than the limit / (PART * processes) and what was left in it / (SHARE * processes); those
that lie still for a second are given up.
"""

from collections.abc import Callable
from typing import Final

from apikeys.gate.lease import FIRST, LEASED_FROM, PART, SHARE
from apikeys.gate.lockout import MAX_ENTRIES
from apikeys.gate.snapshot import Window
from apikeys.gate.verdict import Entry, Limit
from apikeys.gate.windows import RENEW_SECONDS, SLOT_MS, UNITS, Place, name_of
from momentry.common.clock import clock

new: Final = tuple.__new__
# A slot that was renewed, or not yet due to be, when a renewal was sent is in the set so much
# longer, by any clock: a quarter of a second is for Valkey's.
FRESH_SECONDS: Final = SLOT_MS / 1000 - RENEW_SECONDS - 0.25

Names = tuple[str, ...]  # the sets of one request


class Set:
    """One set of slots, as this process knows it."""

    __slots__ = ("before", "elsewhere", "entered", "limit", "most", "name", "opens_at", "spare")

    def __init__(self, window: Window, opens_at: float) -> None:
        self.name = name_of(window)
        self.limit = window.limit
        self.opens_at = opens_at  # until then others may still go by another limit
        self.elsewhere = 0  # taken by other processes, by Valkey's last answer
        self.spare = self.most = 0
        self.entered = self.before = 0  # requests since the last rest, and between the two last

    def shown(self, held: int) -> Limit:
        """``held``: slots of this process, spare ones too."""
        left = max(0, self.limit - self.elsewhere - held + self.spare)
        return new(Limit, (self.name, UNITS["concurrent"], self.limit, left, None, 0))

    def is_busy(self) -> bool:
        return self.entered >= FIRST or self.before >= FIRST


class Group:
    """The spare slots of one kind of request, the one used last at the end."""

    __slots__ = ("fewest", "is_heard", "sets", "tokens")

    def __init__(self, sets: tuple[Set, ...]) -> None:
        self.sets = sets
        self.tokens: list[str] = []
        self.fewest = 0  # so few were spare at some time since the last rest
        self.is_heard = True  # was Valkey asked since then


class Spares:
    """Not thread-safe. ``given_up`` is what the owner tells Valkey."""

    __slots__ = ("fresh_until", "given_up", "groups", "now", "sets", "settles")

    def __init__(self, settles: float, now: Callable[[], float] = clock) -> None:
        """``settles``: seconds after which nobody goes by a limit that was changed."""
        self.now = now
        self.settles = settles
        self.sets: dict[str, Set] = {}
        self.groups: dict[Names, Group] = {}
        self.fresh_until = 0.0
        self.given_up: list[tuple[Names, str]] = []

    def follow(self, places: tuple[Place, ...]) -> Names:
        """The sets of a request; empty if one is too small for spare slots."""
        found = tuple(place for place in places if not place.seconds)
        if len(self.sets) >= MAX_ENTRIES:
            self.give_up_all()
        for place in found:
            known = self.sets.get(place.key)
            if known is None or known.limit != place.window.limit:
                self.give_up(place.key)
                self.sets[place.key] = Set(place.window, self.now() + self.settles)
        if any(place.window.limit < LEASED_FROM for place in found):
            return ()
        return tuple(place.key for place in found)

    def is_fresh(self) -> bool:
        return self.now() < self.fresh_until

    def renewed(self, began: float) -> None:
        """Valkey knows all slots that were due when this renewal began."""
        self.fresh_until = began + FRESH_SECONDS

    def take_now(self, names: Names) -> str:
        """As take, but once a second Valkey has to be asked what others have taken."""
        group = self.groups.get(names)
        return self.take(names) if group is not None and group.is_heard else ""

    def take(self, names: Names) -> str:
        """The token of a slot that is in Valkey's sets; "" when none is spare."""
        group = self.groups.get(names)
        if group is None or not group.tokens or not self.is_fresh():
            return ""
        token = group.tokens.pop()
        group.fewest = min(group.fewest, len(group.tokens))
        for each in group.sets:
            each.spare -= 1
        return token

    def keep(self, entry: Entry) -> bool:
        """Of a request that ended. False: its slot must be given up."""
        if not entry.shared or not self.is_fresh():
            return False
        group = self.groups.get(entry.slots)
        if group is None:
            return False
        for each in group.sets:
            if each.spare >= each.most:
                return False
        self.put(group, entry.token)
        return True

    def put(self, group: Group, token: str) -> None:
        group.tokens.append(token)
        for each in group.sets:
            each.spare += 1

    def put_back(self, names: Names, token: str) -> None:
        """Taken for nothing."""
        if (group := self.groups.get(names)) is not None:
            self.put(group, token)
        else:
            self.given_up.append((names, token))

    def has(self, names: Names) -> bool:
        group = self.groups.get(names)
        return group is not None and bool(group.tokens) and self.is_fresh()

    def spare(self, name: str) -> int:
        known = self.sets.get(name)
        return 0 if known is None else known.spare

    def enter(self, names: Names) -> tuple[Set, ...]:
        """The sets of which a slot was taken just now."""
        sets = self.groups[names].sets
        for each in sets:
            each.entered += 1
        return sets

    def entered(self, names: Names, taken: list[tuple[int, int]], processes: int) -> None:
        """Valkey let one in and told how many slots of each set are taken; so many of them are
        this process's."""
        known = tuple(self.sets[name] for name in names if name in self.sets)
        if len(known) < len(names):
            return
        now = self.now()
        for each, (used, own) in zip(known, taken, strict=True):
            each.entered += 1
            each.elsewhere = max(0, used - own)
            each.most = 0
            if now >= each.opens_at and each.is_busy():
                left = each.limit - used
                part, share = each.limit // (PART * processes), left // (SHARE * processes)
                each.most = max(0, min(part, share))
        if names not in self.groups:
            self.groups[names] = Group(known)
        self.groups[names].is_heard = True

    def rest(self) -> None:
        """What lay still since this was called last is given up: others may want it."""
        if not self.is_fresh():
            self.give_up_all()
        for names, group in self.groups.items():
            self.drop(names, group, group.fewest)
            group.fewest, group.is_heard = len(group.tokens), False
        for each in self.sets.values():
            each.before, each.entered = each.entered, 0

    def drop(self, names: Names, group: Group, number: int) -> None:
        """The ones used longest ago."""
        for token in group.tokens[:number]:
            self.given_up.append((names, token))
            for each in group.sets:
                each.spare -= 1
        del group.tokens[:number]

    def give_up(self, name: str) -> None:
        """All that are spare in this set; the next are kept once Valkey was asked again."""
        for names in [names for names in self.groups if name in names]:
            group = self.groups.pop(names)
            self.drop(names, group, len(group.tokens))

    def all_given_up(self) -> list[tuple[Names, str]]:
        """They are the caller's to tell."""
        found, self.given_up = self.given_up, []
        return found

    def give_up_all(self) -> None:
        for name in tuple(self.sets):
            self.give_up(name)
        self.sets.clear()
