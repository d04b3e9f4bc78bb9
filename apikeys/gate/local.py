"""What one process knows of burst windows: the slots it holds, and its own count of what it let in.

By this count alone it decides while Valkey is away. Pure; not thread-safe.
"""

import secrets
from collections.abc import Iterator, Sequence
from itertools import count

from apikeys.gate import windows
from apikeys.gate.effects import Enter, Entered
from apikeys.gate.lockout import Recent
from apikeys.gate.verdict import Entry, Limit
from apikeys.gate.windows import Place, Slot


class Local:
    """``processes``: among how many a limit is shared out while they cannot ask each other."""

    def __init__(self, processes: int) -> None:
        self.processes = max(1, processes)
        self.process = secrets.token_hex(8)
        self.numbers = count()
        self.counts: Recent[int] = Recent()  # by the window's key
        self.told: Recent[int] = Recent()  # by all, as Valkey said last, and what came since
        self.held: dict[str, dict[str, float]] = {}  # since when, by set and token

    def token(self, effect: Enter, places: tuple[Place, ...]) -> str:
        """A name for this request's slot; "" when it holds none."""
        if effect.dry or not effect.holds or all(place.seconds for place in places):
            return ""
        return f"{self.process}:{next(self.numbers)}"

    def enter(self, effect: Enter, places: tuple[Place, ...], token: str, now: float) -> Entered:
        """As ENTER_SCRIPT, with this process's share of each limit, at least 1."""
        limits = tuple(self.left_of(place) for place in places)
        short = windows.short_of(places, limits)
        if short or effect.dry:
            return Entered(None, limits, short)
        entry = windows.entry_of(effect, places, token, shared=False)
        taken = tuple(
            limit._replace(remaining=limit.remaining - place.wanted)
            if place.seconds or token
            else limit
            for place, limit in zip(places, limits, strict=True)
        )
        if entry is not None:
            self.admitted(entry, now)
            for key in entry.counters:
                self.told.put(key, self.told.get(key, 0) + entry.units)
        return Entered(entry, taken, ())

    def hear(self, places: tuple[Place, ...], used: Sequence[int]) -> None:
        """Valkey's word on what is used."""
        for place, units in zip(places, used, strict=True):
            if place.seconds:
                self.told.put(place.key, units)

    def left_of(self, place: Place) -> Limit:
        used = self.counts.get(place.key, 0) if place.seconds else len(self.held.get(place.key, ()))
        limit = windows.limit_of(place, used)
        share = max(1, limit.limit // self.processes)
        left = limit.limit - self.told.get(place.key, 0) if place.seconds else share
        return limit._replace(remaining=max(0, min(share - used, left)))

    def admitted(self, entry: Entry, now: float) -> None:
        """Count what was let in, by Valkey's word or by our own."""
        for key in entry.counters:
            self.counts.put(key, self.counts.get(key, 0) + entry.units)
        for key in entry.slots:
            self.held.setdefault(key, {})[entry.token] = now

    def leave(self, entry: Entry, *, back: bool) -> None:
        for key in entry.counters if back else ():
            self.counts.put(key, max(0, self.counts.get(key, 0) - entry.units))
            if not entry.shared:
                self.told.put(key, max(0, self.told.get(key, 0) - entry.units))
        for key in entry.slots:
            tokens = self.held.get(key, {})
            tokens.pop(entry.token, None)
            if not tokens:
                self.held.pop(key, None)

    def holds(self, slot: Slot) -> bool:
        key, token = slot
        return token in self.held.get(key, ())

    def held_since(self, moment: float) -> Iterator[Slot]:
        """The slots held since then or longer."""
        for key, tokens in self.held.items():
            for token, since in tokens.items():
                if since <= moment:
                    yield key, token
