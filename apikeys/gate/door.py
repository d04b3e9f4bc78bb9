"""The gateway's door to the gate: asyncio and psycopg. Django's is apikeys.services.gate."""

import asyncio
import contextlib
from collections.abc import Coroutine, Generator
from typing import Any, Protocol, TypeVar

import psycopg
import psycopg_pool

from apikeys.gate import snapshot
from apikeys.gate.addresses import AddressRules
from apikeys.gate.effects import (
    CountFailure,
    DatabaseUnavailable,
    Effect,
    IsBlocked,
    LoadKey,
    MayLookUp,
    Proven,
    Take,
    Taken,
)
from apikeys.gate.guard import Guard
from apikeys.gate.inspection import Inspected, inspect
from apikeys.gate.judge import Policy, judge
from apikeys.gate.question import Question
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import SNAPSHOT_SQL, KeySnapshot
from apikeys.gate.verdict import Charge, Verdict
from apikeys.ledger import sql, take

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = psycopg_pool.AsyncConnectionPool[Connection]
UNAVAILABLE = (psycopg.Error, psycopg_pool.PoolTimeout, OSError)
R = TypeVar("R")


class Charged(Protocol):
    @property
    def charges(self) -> tuple[Charge, ...]: ...


C = TypeVar("C", bound=Charged)


class AsyncDoor:
    """Answers the gate's questions: from memory, from Valkey, from PostgreSQL (autocommit)."""

    __slots__ = ("guard", "late", "policy", "pool", "rules")

    def __init__(self, pool: Pool, policy: Policy, guard: Guard) -> None:
        self.pool = pool
        self.policy = policy
        self.guard = guard
        self.rules = AddressRules()
        self.late: set[asyncio.Task[None]] = set()

    async def judge(self, request: GateRequest) -> Verdict:
        """The verdict; ``database_unavailable`` when the database does not answer."""
        return await self.run(judge(request, self.policy))

    async def inspect(self, question: Question) -> Inspected:
        """Raises DatabaseUnavailable."""
        return await self.run(inspect(question, self.policy))

    async def within(self, seconds: float, work: Coroutine[Any, Any, C]) -> C | None:
        """Its result, or None after that time. A query on a database that stands still cannot be
        cancelled, so it is left behind; what it may still charge is given back."""
        task = asyncio.get_running_loop().create_task(work)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            return task.result()
        returning = asyncio.get_running_loop().create_task(self.return_late(task))
        self.late.add(returning)
        returning.add_done_callback(self.late.discard)
        return None

    async def return_late(self, task: "asyncio.Task[C]") -> None:
        with contextlib.suppress(DatabaseUnavailable):
            result = await task
            await self.give_back(result.charges)

    async def run(self, judging: Generator[Effect, Any, R]) -> R:
        try:
            effect = next(judging)
            while True:
                try:
                    reply = await self.answer(effect)
                except (*UNAVAILABLE, DatabaseUnavailable):
                    effect = judging.throw(DatabaseUnavailable())
                else:
                    effect = judging.send(reply)
        except StopIteration as stop:
            result: R = stop.value
            return result

    async def answer(self, effect: Effect) -> Any:
        if isinstance(effect, IsBlocked):
            return self.is_blocked(effect.address)
        if isinstance(effect, Proven):
            return self.guard.proven(effect.address, effect.secret)
        if isinstance(effect, MayLookUp):
            return await self.guard.may_look_up(effect.address, effect.secret)
        if isinstance(effect, CountFailure):
            return await self.guard.count_failure(effect.address)
        async with self.pool.connection() as connection:
            if isinstance(effect, LoadKey):
                return await self.load(connection, effect)
            return await self.take(connection, effect)

    def is_blocked(self, address: str) -> bool:
        """While the rules were never read nobody's key is known to be welcome."""
        if not self.rules.version:
            raise DatabaseUnavailable
        return self.rules.blocks(address)

    async def load(self, connection: Connection, effect: LoadKey) -> KeySnapshot | None:
        values = snapshot.parameters(effect.key_id, with_metadata=effect.with_metadata)
        cursor = await connection.execute(SNAPSHOT_SQL, values)
        row = await cursor.fetchone()
        return None if row is None else snapshot.from_row(row)

    async def take(self, connection: Connection, effect: Take) -> Taken:
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
