"""Which key ids exist: a small filter in memory, asked before a locked address looks one up. Pure.

A Bloom filter: it never misses an id that it was told, and takes 0.3 to 2.4 % of the others for
known. Places come from a keyed hash, so nobody who knows some ids can make up others that pass.
"""

import secrets
import struct
from collections.abc import Callable
from hashlib import blake2b
from typing import Final
from uuid import UUID

from apikeys.gate.lockout import ADDRESS, NOTHING, Slot, slot_of_key
from apikeys.gate.memory import is_uuid

BITS_PER_KEY: Final = 16
LEAST_BYTES: Final = 65_536
OTHER_KINDS: Final = frozenset(("member", "tier", "rules", "upstreams"))
PLACES: Final[Callable[[bytes], tuple[int, ...]]] = struct.Struct("<4I").unpack


class Filter:
    """Made for ``expected`` ids; good for twice as many."""

    __slots__ = ("bits", "count", "key", "most", "size")

    def __init__(self, expected: int) -> None:
        self.bits = bytearray(max(LEAST_BYTES, expected * BITS_PER_KEY // 8))
        self.size = len(self.bits) * 8
        self.most = 2 * self.size // BITS_PER_KEY
        self.count = 0
        self.key = secrets.token_bytes(16)

    def places(self, key_id: UUID) -> list[int]:
        digest = blake2b(key_id.bytes, key=self.key, digest_size=16).digest()
        return [place % self.size for place in PLACES(digest)]

    def add(self, key_id: UUID) -> None:
        is_new, bits = False, self.bits
        for place in self.places(key_id):
            bit = 1 << (place & 7)
            if not bits[place >> 3] & bit:
                bits[place >> 3] |= bit
                is_new = True
        self.count += is_new

    def __contains__(self, key_id: UUID) -> bool:
        bits = self.bits
        return all(bits[place >> 3] >> (place & 7) & 1 for place in self.places(key_id))


class KeyIds:
    """What one process knows of them. ``filter`` None: nothing, so nobody is refused by it.
    ``wanted``: the ids are to be read, for the first time or into a larger filter."""

    __slots__ = ("filter", "loading", "wanted")

    def __init__(self) -> None:
        self.filter: Filter | None = None
        self.loading: Filter | None = None
        self.wanted = True

    def begin(self, expected: int) -> Filter:
        """The filter to read into. What is added meanwhile is added to it, too."""
        self.loading = Filter(expected)
        self.wanted = False
        return self.loading

    def end(self, made: Filter) -> None:
        """All was read into it; to no end when everything was forgotten meanwhile."""
        if made is self.loading:
            self.filter, self.loading = made, None

    def forget(self) -> None:
        self.filter = self.loading = None
        self.wanted = True

    def add(self, key_id: UUID) -> None:
        for known in (self.filter, self.loading):
            if known is not None:
                known.add(key_id)
        if self.loading is None and self.filter is not None:
            self.wanted = self.filter.count >= self.filter.most

    def follow(self, kind: str, subject: str) -> None:
        """A change of the fence; one that is not understood may be about any id."""
        if kind == "key" and is_uuid(subject):
            self.add(UUID(subject))
        elif kind not in OTHER_KINDS:
            self.forget()

    def slot_of(self, key_id: UUID) -> Slot:
        """From which a look-up of this id is taken when its address is locked."""
        if self.filter is None:
            return ADDRESS
        return slot_of_key(key_id) if key_id in self.filter else NOTHING
