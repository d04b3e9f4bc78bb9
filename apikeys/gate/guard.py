"""The gateway's way to the lock-out: Valkey by asyncio. Django's is apikeys.services.guard."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Final, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from apikeys.gate import lockout
from apikeys.gate.addresses import block_of
from apikeys.gate.lockout import Memory, Outage, Permit, Rules, mark_of

Now = Callable[[], float]

CONNECTIONS: Final = 4
block: Final = lru_cache(maxsize=4096)(block_of)


class Guard:
    """Counts in Valkey; in this process alone while Valkey does not answer. Never raises."""

    __slots__ = ("away_until", "memory", "now", "outage", "pepper", "redis", "rules", "tasks")

    def __init__(
        self, redis: "Redis | None", rules: Rules, pepper: bytes, now: Now = time.monotonic
    ) -> None:
        self.redis = redis
        self.rules = rules
        self.pepper = pepper
        self.now = now
        self.memory = Memory(rules)
        self.away_until = 0.0
        self.outage = Outage()
        self.tasks: set[asyncio.Future[Any]] = set()

    async def may_look_up(self, address: str, secret: str) -> Permit:
        place, now = block(address), self.now()
        if self.memory.is_clear(place, now):
            return Permit(True)
        mark = mark_of(secret, self.pepper)
        known = self.memory.known(place, mark, now)
        if known is not None:
            return known
        keys = lockout.look_keys(place, mark)
        reply = await self.ask(lockout.LOOK_SCRIPT, keys, lockout.LOOK_ARGUMENTS)
        if reply is None:
            return self.memory.look(place, mark, now)
        return self.memory.told(place, Permit(bool(reply[0]), reply[1] / 1000), now)

    async def count_failure(self, address: str) -> float:
        """Seconds the address was locked already; 0 when it was not and this failure counts."""
        place, now = block(address), self.now()
        counted = self.memory.count(place, now)
        keys = lockout.count_keys(place)
        reply = await self.ask(lockout.COUNT_SCRIPT, keys, self.rules.arguments)
        return counted if reply is None else self.memory.counted(place, reply, now)

    def proven(self, address: str, secret: str) -> None:
        """Told to Valkey beside the request, which does not wait for it."""
        mark, now = mark_of(secret, self.pepper), self.now()
        if self.memory.prove(block(address), mark, now) and not self.is_away():
            self.tell(mark)

    def tell(self, mark: bytes) -> None:
        if self.redis is not None:
            key = lockout.proven_key(mark)
            work = self.within(self.redis.set(key, 1, ex=lockout.PROVEN_SECONDS))
            task = asyncio.ensure_future(work)
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def is_away(self) -> bool:
        return self.redis is None or self.now() < self.away_until

    async def ask(self, script: str, keys: tuple[str, ...], arguments: tuple[int, ...]) -> Any:
        """The script's reply; None when Valkey is away."""
        if self.redis is None or self.is_away():
            return None
        return await self.within(self.redis.eval(script, len(keys), *keys, *arguments))

    async def within(self, command: Any) -> Any:
        try:
            async with asyncio.timeout(lockout.TIMEOUT_SECONDS):
                reply = await cast("Awaitable[Any]", command)
        except (RedisError, OSError, TimeoutError) as error:
            self.outage.began(error)
            self.away_until = self.now() + lockout.AWAY_SECONDS
            return None
        self.outage.ended()
        return reply

    async def close(self) -> None:
        for task in tuple(self.tasks):
            task.cancel()
        if self.redis is not None:
            await self.redis.aclose()


def connect(url: str) -> "Redis":
    """A client that asks once and waits briefly: while it waits, a request waits."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=lockout.TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=lockout.TIMEOUT_SECONDS,
        socket_timeout=lockout.TIMEOUT_SECONDS,
    )
    return Redis.from_pool(pool)
