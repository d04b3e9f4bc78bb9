"""Keys that a gateway process remembers, for as long as the fence lets it. Pure.

An entry leaves when the fence says that its key, member or tier changed, when it is older than
the time to live, when a retired secret in it ends, or when room is needed for another.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from apikeys.gate.snapshot import Kept, KeySnapshot

METADATA_BYTES: Final = 4096


class KeyMemory:
    """``clock``s are seconds of one clock that never goes back; ``ttl`` as well."""

    __slots__ = ("capacity", "entries", "ttl")

    def __init__(self, capacity: int, ttl: float) -> None:
        self.capacity = capacity
        self.ttl = ttl
        self.entries: OrderedDict[UUID, tuple[float, KeySnapshot]] = OrderedDict()

    def get(self, key_id: UUID, clock: float, now: datetime) -> KeySnapshot | None:
        """As it was read, judged at ``now``, the database's time."""
        key = self.find(key_id, clock)
        if key is None:
            return None
        if key.grace_ends_at is not None and key.grace_ends_at <= now:
            del self.entries[key_id]
            return None
        return key.at(now)

    def find(self, key_id: UUID, clock: float) -> KeySnapshot | None:
        """As it was read; whoever looks at times, a grace's too, must know it by ``get``."""
        entry = self.entries.get(key_id)
        if entry is None:
            return None
        if entry[0] <= clock:
            del self.entries[key_id]
            return None
        self.entries.move_to_end(key_id)
        return entry[1]

    def until(self, key_id: UUID) -> float:
        """The clock's time at which it is read anew; 0 when it is not here."""
        entry = self.entries.get(key_id)
        return entry[0] if entry is not None else 0.0

    def put(self, key: KeySnapshot, clock: float) -> None:
        """Large metadata are not kept: whoever needs them reads again."""
        if key.metadata_bytes > METADATA_BYTES:
            key = key._replace(metadata=None)
        self.entries[key.key_id] = (clock + self.ttl, key._replace(kept=Kept()))
        self.entries.move_to_end(key.key_id)
        if len(self.entries) > self.capacity:
            self.entries.popitem(last=False)

    def forget(self, kind: str, subject: str) -> None:
        """What a change of the fence touches; one that is not understood touches everything."""
        if kind == "key" and is_uuid(subject):
            self.entries.pop(UUID(subject), None)
        elif kind == "member":
            self.drop(lambda key: str(key.member_id) == subject)
        elif kind == "tier":
            self.drop(lambda key: subject in key.tiers)
        elif kind not in {"rules", "upstreams"}:
            self.entries.clear()

    def drop(self, is_touched: Callable[[KeySnapshot], bool]) -> None:
        for key_id in [name for name, (_, key) in self.entries.items() if is_touched(key)]:
            del self.entries[key_id]


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
