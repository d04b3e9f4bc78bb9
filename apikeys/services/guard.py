"""Django's way to the lock-out, the same scripts and the same memory as the gateway's."""

import functools
import threading
import time
from typing import Any

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from apikeys.digest import Peppers
from apikeys.gate import lockout
from apikeys.gate.addresses import block_of
from apikeys.gate.lockout import Memory, Outage, Permit, Rules, mark_of


class Guard:
    """Counts in Valkey; in this process alone while Valkey does not answer. Never raises."""

    def __init__(self, redis: "Redis", rules: Rules, pepper: bytes) -> None:
        self.redis = redis
        self.rules = rules
        self.pepper = pepper
        self.memory = Memory(rules)
        self.lock = threading.Lock()
        self.away_until = 0.0
        self.outage = Outage()

    def may_look_up(self, address: str, secret: str) -> Permit:
        place, now = block_of(address), time.monotonic()
        with self.lock:
            if self.memory.is_clear(place, now):
                return Permit(True)
        mark = mark_of(secret, self.pepper)
        with self.lock:
            known = self.memory.known(place, mark, now)
        if known is not None:
            return known
        keys = lockout.look_keys(place, mark)
        reply = self.ask(lockout.LOOK_SCRIPT, keys, lockout.LOOK_ARGUMENTS)
        with self.lock:
            if reply is None:
                return self.memory.look(place, mark, now)
            return self.memory.told(place, Permit(bool(reply[0]), reply[1] / 1000), now)

    def count_failure(self, address: str) -> float:
        """Seconds the address was locked already; 0 when it was not and this failure counts."""
        place, now = block_of(address), time.monotonic()
        with self.lock:
            counted = self.memory.count(place, now)
        reply = self.ask(lockout.COUNT_SCRIPT, lockout.count_keys(place), self.rules.arguments)
        if reply is None:
            return counted
        with self.lock:
            return self.memory.counted(place, reply, now)

    def proven(self, address: str, secret: str) -> None:
        mark, now = mark_of(secret, self.pepper), time.monotonic()
        with self.lock:
            is_news = self.memory.prove(block_of(address), mark, now)
        if is_news and now >= self.away_until:
            self.within(
                lambda: self.redis.set(lockout.proven_key(mark), 1, ex=lockout.PROVEN_SECONDS)
            )

    def ask(self, script: str, keys: tuple[str, ...], arguments: tuple[int, ...]) -> Any:
        """The script's reply; None when Valkey is away."""
        if time.monotonic() < self.away_until:
            return None
        return self.within(lambda: self.redis.eval(script, len(keys), *keys, *map(str, arguments)))

    def within(self, command: Any) -> Any:
        try:
            reply = command()
        except (RedisError, OSError) as error:
            self.outage.began(error)
            self.away_until = time.monotonic() + lockout.AWAY_SECONDS
            return None
        self.outage.ended()
        return reply


@functools.cache
def guard_of(rules: Rules, pepper: bytes) -> Guard:
    """One for all threads of this process."""
    redis = Redis.from_url(
        settings.REDIS_URL,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=lockout.TIMEOUT_SECONDS,
        socket_timeout=lockout.TIMEOUT_SECONDS,
    )
    return Guard(redis, rules, pepper)


def get_guard(peppers: Peppers) -> Guard:
    rules = Rules(settings.RATE_LIMIT_MAX_ATTEMPTS, settings.RATE_LIMIT_WINDOW_SECONDS)
    return guard_of(rules, peppers.signing)
