"""The gateway's way to the lock-out: Valkey by asyncio. Django's is apikeys.services.guard."""

from functools import lru_cache
from typing import Final
from uuid import UUID

from apikeys.gate import lockout
from apikeys.gate.addresses import block_of
from apikeys.gate.lockout import Memory, Permit, Rules, Slot, mark_of, slot_of_key
from apikeys.gate.shapes import is_number, numbers
from apikeys.gate.valkey import OK, Valkey

block: Final = lru_cache(maxsize=4096)(block_of)


class Guard:
    """Counts in Valkey; in this process alone while Valkey does not answer. Never raises."""

    __slots__ = ("memory", "pepper", "rules", "valkey")

    def __init__(self, valkey: Valkey, rules: Rules, pepper: bytes) -> None:
        self.valkey = valkey
        self.rules = rules
        self.pepper = pepper
        self.memory = Memory(rules)

    async def may_look_up(self, address: str, secret: str, slot: Slot) -> Permit:
        place, now = block(address), self.valkey.now()
        if self.memory.is_clear(place, now):
            return Permit(True)
        mark = mark_of(secret, self.pepper)
        known = self.memory.known(place, mark, now)
        if known is not None:
            return known
        keys = lockout.look_keys(place, mark, slot)
        reply = await self.valkey.ask(lockout.LOOK_SCRIPT, keys, slot.arguments, numbers(2))
        if reply is None:
            return self.memory.look(place, mark, now, slot)
        return self.memory.told(place, Permit(bool(reply[0]), reply[1] / 1000), now)

    async def count_failure(self, address: str) -> float:
        """Seconds the address was locked already; 0 when it was not and this failure counts."""
        place, now = block(address), self.valkey.now()
        counted = self.memory.count(place, now)
        keys = lockout.count_keys(place)
        reply = await self.valkey.ask(lockout.COUNT_SCRIPT, keys, self.rules.arguments, is_number)
        return counted if reply is None else self.memory.counted(place, reply, now)

    def proven(self, address: str, secret: str, key_id: UUID | None) -> None:
        """Told to Valkey beside the request, which does not wait for it. The key's slot is free
        again: its next secret may come before a second is over."""
        place, mark, now = block(address), mark_of(secret, self.pepper), self.valkey.now()
        if self.memory.prove(place, mark, now):
            key, seconds = lockout.proven_key(mark), lockout.PROVEN_SECONDS
            self.valkey.tell("SET", key, 1, "EX", seconds, fits=OK)
        if key_id is not None and self.memory.free(place, slot_of_key(key_id), now):
            slot = lockout.slot_key(place, slot_of_key(key_id))
            self.valkey.tell("DEL", slot, fits=is_number)
