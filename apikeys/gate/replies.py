"""What the gateway answers the gate: from memory, from Valkey, from PostgreSQL (autocommit)."""

import asyncio
from datetime import datetime
from typing import Any, Final, Protocol

import psycopg
import psycopg_pool

from apikeys import foreign, keyformat
from apikeys.gate import snapshot
from apikeys.gate.addresses import AddressRules
from apikeys.gate.effects import (
    CountFailure,
    Damaged,
    DatabaseUnavailable,
    Effect,
    Enter,
    IsBlocked,
    IsForeign,
    Leave,
    LoadKey,
    MayLookUp,
    Proven,
    Recall,
    Secret,
    Take,
    TakeStored,
)
from apikeys.gate.entrance import Entrance
from apikeys.gate.guard import Guard
from apikeys.gate.ids import KeyIds
from apikeys.gate.judge import Policy
from apikeys.gate.lockout import Slot, slot_of_format
from apikeys.gate.memory import KeyMemory
from apikeys.gate.prover import AsyncProver
from apikeys.gate.snapshot import SNAPSHOT_SQL, KeySnapshot
from apikeys.ledger.keeper import Keeper
from apikeys.ledger.stored import take_stored

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = psycopg_pool.AsyncConnectionPool[Connection]
UNAVAILABLE = (psycopg.Error, psycopg_pool.PoolTimeout, OSError)
LATER: Final = object()  # the reply to an effect that must be waited for
TRIES: Final = 5  # when what a request is judged by changes while it is judged


class Freshness(Protocol):
    """The fence as the gate needs it: proxy.gateway.fence."""

    applied: int
    fresh_until: float

    def is_fresh(self) -> bool: ...
    def now(self) -> datetime: ...
    def clock(self) -> float: ...
    async def fresh(self) -> bool: ...


class Replies:
    __slots__ = (
        "entrance", "epoch", "fence", "guard", "ids", "keeper", "late", "memory", "policy", "pool",
        "prover", "rules",
    )  # fmt: skip

    def __init__(
        self,
        pool: Pool,
        policy: Policy,
        guard: Guard,
        entrance: Entrance,
        fence: Freshness,
        memory: KeyMemory,
        keeper: Keeper,
    ) -> None:
        self.pool = pool
        self.policy = policy
        self.guard = guard
        self.entrance = entrance
        self.fence = fence
        self.memory = memory
        self.keeper = keeper
        self.prover = AsyncProver(pool, policy)
        self.rules = AddressRules()
        self.ids = KeyIds()
        self.late: set[asyncio.Task[None]] = set()
        self.epoch = 0  # of everything that judgements by memory rest on: see changed()

    def changed(self) -> None:
        """A key, a member, a tier, a rule or an upstream is not what it was: no judgement of
        before stands (standing.py)."""
        self.epoch += 1

    def answer_now(self, effect: Effect) -> Any:
        if isinstance(effect, IsBlocked):
            return self.is_blocked(effect.address)
        if isinstance(effect, Recall):
            return self.recall(effect)
        if isinstance(effect, IsForeign):
            return effect.secret.startswith(self.prover.formats)
        if isinstance(effect, Proven):
            return self.guard.proven(effect.address, effect.secret, effect.key_id)
        if isinstance(effect, Take):
            return self.keeper.take_now(effect) or LATER
        if isinstance(effect, Enter):
            return self.entrance.enter_now(effect) or LATER
        if isinstance(effect, Leave):
            return self.entrance.leave(effect.entry, back=True)
        return LATER

    async def answer(self, effect: Effect) -> Any:
        if isinstance(effect, MayLookUp):
            return await self.guard.may_look_up(effect.address, effect.secret, self.slot_of(effect))
        if isinstance(effect, CountFailure):
            return await self.guard.count_failure(effect.address)
        if isinstance(effect, Enter):
            return await self.entrance.enter(effect)
        if isinstance(effect, (Secret, Damaged)):
            return await self.prover.answer(effect)
        if isinstance(effect, Take):
            return await self.keeper.take(effect)
        if isinstance(effect, TakeStored):
            return await take_stored(self.pool, effect, self.policy.zone)
        assert isinstance(effect, LoadKey)  # noqa: S101  the last of them
        async with self.pool.connection() as connection:
            return await self.load(connection, effect)

    def slot_of(self, effect: MayLookUp) -> Slot:
        if effect.key_id is None:
            return slot_of_format(effect.secret, self.prover.formats)
        return self.ids.slot_of(effect.key_id)

    def is_blocked(self, address: str) -> bool:
        """While the rules were never read nobody's key is known to be welcome."""
        if not self.rules.version:
            raise DatabaseUnavailable
        return self.rules.blocks(address)

    def recall(self, effect: Recall) -> KeySnapshot | None:
        key = self.memory.get(effect.key_id, self.fence.clock(), self.fence.now())
        if key is None or (effect.with_metadata and key.metadata is None):
            return None
        return key

    def opened(self, secret: str) -> KeySnapshot | None:
        """The remembered key that this secret was seen to open, as it was read."""
        proof = self.policy.proofs.find(secret)
        if proof is None:
            return None
        key = self.memory.find(proof.key_id, self.fence.clock())
        if key is None or key.grace_ends_at is not None or proof.digest not in key.digests:
            return None
        return key

    def is_nobodys(self, secret: str) -> bool:
        """Neither a key's text nor begun as an imported secret."""
        if keyformat.parse(secret) is not None:
            return False
        return not (foreign.is_secret(secret) and secret.startswith(self.prover.formats))

    async def load(self, connection: Connection, effect: LoadKey) -> KeySnapshot | None:
        """What was read before a change that this process has followed since is thrown away."""
        values = snapshot.parameters(effect.key_id, with_metadata=effect.with_metadata)
        for _ in range(TRIES):
            cursor = await connection.execute(SNAPSHOT_SQL, values)
            row = await cursor.fetchone()
            if row is None:
                return None
            key = snapshot.from_row(row)
            if key.generation >= self.fence.applied:
                self.memory.put(key, self.fence.clock())
                return key
        raise DatabaseUnavailable
