"""Django's way to the lock-out, the same scripts and the same memory as the gateway's."""

import functools
import threading
import time
from uuid import UUID

from django.conf import settings

from apikeys.digest import Peppers
from apikeys.gate import lockout
from apikeys.gate.addresses import block_of
from apikeys.gate.lockout import ADDRESS, Memory, Permit, Rules, Slot, mark_of, slot_of_key
from apikeys.gate.shapes import is_number, numbers
from apikeys.services.valkey import Valkey, get_valkey


class Guard:
    """Counts in Valkey; in this process alone while Valkey does not answer. Never raises."""

    def __init__(self, valkey: Valkey, rules: Rules, pepper: bytes) -> None:
        self.valkey = valkey
        self.rules = rules
        self.pepper = pepper
        self.memory = Memory(rules)
        self.lock = threading.Lock()

    def may_look_up(self, address: str, secret: str, slot: Slot = ADDRESS) -> Permit:
        place, now = block_of(address), time.monotonic()
        with self.lock:
            if self.memory.is_clear(place, now):
                return Permit(True)
        mark = mark_of(secret, self.pepper)
        with self.lock:
            known = self.memory.known(place, mark, now)
        if known is not None:
            return known
        keys = lockout.look_keys(place, mark, slot)
        reply = self.valkey.ask(lockout.LOOK_SCRIPT, keys, slot.arguments, numbers(2))
        with self.lock:
            if reply is None:
                return self.memory.look(place, mark, now, slot)
            return self.memory.told(place, Permit(bool(reply[0]), reply[1] / 1000), now)

    def count_failure(self, address: str) -> float:
        """Seconds the address was locked already; 0 when it was not and this failure counts."""
        place, now = block_of(address), time.monotonic()
        with self.lock:
            counted = self.memory.count(place, now)
        keys = lockout.count_keys(place)
        reply = self.valkey.ask(lockout.COUNT_SCRIPT, keys, self.rules.arguments, is_number)
        if reply is None:
            return counted
        with self.lock:
            return self.memory.counted(place, reply, now)

    def proven(self, address: str, secret: str, key_id: UUID | None = None) -> None:
        place, mark, now = block_of(address), mark_of(secret, self.pepper), time.monotonic()
        slot = slot_of_key(key_id) if key_id else None
        with self.lock:
            is_news = self.memory.prove(place, mark, now)
            is_free = slot is not None and self.memory.free(place, slot, now)
        if is_news and not self.valkey.is_away():
            key, seconds = lockout.proven_key(mark), lockout.PROVEN_SECONDS
            self.valkey.within(lambda: self.valkey.redis.set(key, 1, ex=seconds))
        if slot is not None and is_free and not self.valkey.is_away():
            name = lockout.slot_key(place, slot)
            self.valkey.within(lambda: self.valkey.redis.delete(name))


@functools.cache
def guard_of(rules: Rules, pepper: bytes) -> Guard:
    """One for all threads of this process."""
    return Guard(get_valkey(), rules, pepper)


def get_guard(peppers: Peppers) -> Guard:
    rules = Rules(settings.RATE_LIMIT_MAX_ATTEMPTS, settings.RATE_LIMIT_WINDOW_SECONDS)
    return guard_of(rules, peppers.signing)
