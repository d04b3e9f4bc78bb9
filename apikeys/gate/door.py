"""The gateway's door to the gate: asyncio and psycopg. Django's is apikeys.services.gate."""

from typing import Any

import psycopg
import psycopg_pool

from apikeys.gate.effects import DatabaseUnavailable, Effect, LoadKey, Take, Taken
from apikeys.gate.judge import Policy, judge
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import SNAPSHOT_SQL, KeySnapshot, from_row
from apikeys.gate.verdict import Charge, Verdict
from apikeys.ledger import sql, take

Pool = psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]]
UNAVAILABLE = (psycopg.Error, psycopg_pool.PoolTimeout, OSError)


class AsyncDoor:
    """Answers the gate's questions from PostgreSQL; connections are in autocommit."""

    __slots__ = ("policy", "pool")

    def __init__(self, pool: Pool, policy: Policy) -> None:
        self.pool = pool
        self.policy = policy

    async def judge(self, request: GateRequest) -> Verdict:
        """The verdict; ``database_unavailable`` when the database does not answer."""
        judging = judge(request, self.policy)
        try:
            effect = next(judging)
            while True:
                try:
                    reply = await self.answer(effect)
                except UNAVAILABLE:
                    effect = judging.throw(DatabaseUnavailable())
                else:
                    effect = judging.send(reply)
        except StopIteration as stop:
            verdict: Verdict = stop.value
            return verdict

    async def answer(self, effect: Effect) -> KeySnapshot | Taken | None:
        async with self.pool.connection() as connection:
            if isinstance(effect, LoadKey):
                cursor = await connection.execute(SNAPSHOT_SQL, (effect.key_id,))
                row = await cursor.fetchone()
                return None if row is None else from_row(row)
            return await self.take(connection, effect)

    async def take(
        self, connection: psycopg.AsyncConnection[tuple[Any, ...]], effect: Take
    ) -> Taken:
        values = take.parameters(effect, self.policy.zone)
        while True:
            cursor = await connection.execute(sql.TAKE, values)
            taken = take.taken(effect, await cursor.fetchall(), self.policy.zone)
            if taken is not None:
                return taken
            await connection.execute(sql.OPEN, values)

    async def give_back(self, charges: tuple[Charge, ...]) -> None:
        """Return units of a request that came to nothing. Lost if the database is away: the
        ledger then errs towards having counted, never over the limit."""
        if not charges:
            return
        try:
            async with self.pool.connection() as connection:
                await connection.execute(sql.GIVE_BACK, take.give_back_parameters(charges))
        except UNAVAILABLE:
            return
