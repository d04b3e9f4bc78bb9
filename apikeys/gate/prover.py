"""What the gateway does about secrets beyond one look-up: imported ones, slow proofs, upgrades.

Django's is apikeys.services.prover.
"""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
import psycopg_pool

from apikeys import hasher
from apikeys.gate import imported
from apikeys.gate.alarm import Alarm
from apikeys.gate.effects import (
    Damaged,
    FindForeign,
    Overloaded,
    ProveSlowly,
    Secret,
    Upgrade,
)
from apikeys.gate.lockout import Recent
from apikeys.gate.slow import REFUSAL_SECONDS, SLOW_REFUSAL_SECONDS, SlowProofs
from apikeys.gate.snapshot import KeySnapshot

if TYPE_CHECKING:
    from apikeys.gate.judge import Policy

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = psycopg_pool.AsyncConnectionPool[Connection]
AGAIN_SECONDS: Final = 60.0  # after an attempt to store a digest anew, whatever became of it
LOST: Final = (psycopg.Error, psycopg_pool.PoolTimeout, OSError, Overloaded)


class AsyncProver:
    """``formats``: what imported secrets begin with, ``has_slow``: whether any digest takes a slow
    proof, both as they were read last."""

    __slots__ = (
        "alarm", "formats", "has_slow", "policy", "pool", "seen", "slow", "tasks", "tried",
    )  # fmt: skip

    def __init__(self, pool: Pool, policy: "Policy") -> None:
        self.pool = pool
        self.policy = policy
        self.slow = SlowProofs()
        self.alarm = Alarm()
        self.formats: tuple[str, ...] = ()
        self.has_slow = True
        self.seen = 0  # the fence's generation when that was read
        self.tried: Recent[float] = Recent()  # Upgrade.mark → when it may be tried again
        self.tasks: set[asyncio.Task[None]] = set()

    async def answer(self, effect: Secret | Damaged) -> Any:
        if isinstance(effect, FindForeign):
            return await self.find(effect)
        if isinstance(effect, ProveSlowly):
            return await self.prove(effect)
        if isinstance(effect, Upgrade):
            return self.upgrade(effect)
        assert isinstance(effect, Damaged)  # noqa: S101  the last of them
        return self.alarm.ring(effect.key_id)

    async def read_formats(self, connection: Connection) -> None:
        cursor = await connection.execute(imported.FORMATS_SQL)
        self.formats = tuple(row[0] for row in await cursor.fetchall())

    async def follow_slow(self, generation: int) -> None:
        """``generation``: of the fence. The first slow digest comes with a change of a key; the
        last one may go by time alone."""
        if not self.has_slow and self.seen == generation:
            return
        async with self.pool.connection() as connection:
            cursor = await connection.execute(imported.HAS_SLOW_SQL)
            row = await cursor.fetchone()
        self.has_slow, self.seen = row is None or bool(row[0]), generation

    def is_slow(self) -> bool:
        """May a proof be slow?"""
        return self.has_slow or self.policy.hasher == hasher.ARGON2ID

    def refusal_seconds(self) -> float:
        return SLOW_REFUSAL_SECONDS if self.is_slow() else REFUSAL_SECONDS

    async def find(self, effect: FindForeign) -> tuple[KeySnapshot, ...]:
        async with self.pool.connection() as connection:
            values = imported.parameters(effect)
            cursor = await connection.execute(imported.FOREIGN_SQL, values)
            return imported.from_rows(await cursor.fetchall())

    async def prove(self, effect: ProveSlowly) -> str | None:
        """Shielded: who stops waiting must not stop the others that ask the same."""
        self.has_slow = True  # also when a row was written past the fence
        known = self.slow.known(effect.secret, effect.digests)
        if known is not None:
            return known
        work = self.slow.prove(effect.secret, effect.digests)
        return await asyncio.shield(asyncio.wrap_future(work))

    def upgrade(self, effect: Upgrade) -> None:
        """Beside the request, which does not wait for it and cannot fail by it."""
        now = time.monotonic()
        if self.tried.get(effect.mark, 0.0) > now:
            return
        self.tried.put(effect.mark, now + AGAIN_SECONDS)
        task = asyncio.get_running_loop().create_task(self.store_anew(effect))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def store_anew(self, effect: Upgrade) -> None:
        """Lost when the database or the thread is busy: it will be used again."""
        with contextlib.suppress(*LOST):
            digest = await self.digest(effect.secret)
            values = imported.upgrade_parameters(effect, digest)
            async with self.pool.connection() as connection:
                await connection.execute(imported.UPGRADE_SQL, values)

    async def digest(self, secret: str) -> str:
        name, peppers = self.policy.hasher, self.policy.peppers
        if name != hasher.ARGON2ID:
            return hasher.digest(secret, name, peppers)
        return await asyncio.wrap_future(
            self.slow.run(lambda: hasher.digest(secret, name, peppers))
        )
