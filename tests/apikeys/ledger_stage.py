"""What the ledger's machine plays with: clocks, and processes made of the gateway's own parts
(Keeper, Purses, Fence, KeyMemory), each with lines that may lose an answer.
"""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, cast

import psycopg

from apikeys.gate.effects import DatabaseUnavailable, LoadKey, Take, Taken
from apikeys.gate.ids import KeyIds
from apikeys.gate.memory import KeyMemory
from apikeys.gate.replies import Replies
from apikeys.gate.snapshot import KeySnapshot
from apikeys.ledger.link import FAILURES
from apikeys.ledger.purses import Purses
from proxy.gateway.fence import Change, Fence
from proxy.gateway.following import follow_changes
from tests.apikeys.ledger_account import ZONE, Account, Place, place_of, place_of_purse
from tests.apikeys.ledger_line import Answer, Line, OwnLink, Unresting, Watched

LEASE_SECONDS: Final = 30.0  # of the fence
LEASED: Final = "SELECT counter_id FROM apikeys_lease WHERE process = %s"


class Clock:
    """The keepers'; set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class BootClock:
    """The fences'; it goes on as the database's does, and is put forward together with it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self.ahead


class Process:
    """A gateway process as far as the ledger and the fence go."""

    def __init__(self, database: Watched, account: Account, key: LoadKey) -> None:
        self.fence = Fence("", LEASE_SECONDS, self.follow)
        self.memory = KeyMemory(10, 300)
        self.key = key
        self.line = Line(database, account)
        self.keeper = Unresting("", Purses(self.fence.process, ZONE))
        self.keeper.link = OwnLink(self.line)
        self.direct, self.loads = Line(database, account), Line(database, account)
        self.keeper.reported_at = self.keeper.reaped_at = float("inf")
        self.account = account
        self.waiting: set[asyncio.Task[None]] = set()
        self.is_stopped = False

    @property
    def name(self) -> str:
        return self.fence.process

    @property
    def parts(self) -> Any:
        """Of a gateway what following a change needs; no request is open."""
        door = SimpleNamespace(memory=self.memory, ids=KeyIds(), changed=lambda: None)
        return SimpleNamespace(door=door, clients=())

    async def follow(self, changes: tuple[Change, ...]) -> None:
        await follow_changes(self.parts, self.refresh, changes)

    async def refresh(self) -> None:
        """What was on its way comes while the rules are read."""
        if self.loads.ready:
            await self.load()

    async def load(self) -> Any:
        return await Replies.load(cast("Replies", self), cast("Any", self.loads), self.key)

    async def renew(self) -> None:
        await self.fence.renew(cast("Any", self.direct))
        self.line.is_expired = False

    async def renew_once(self) -> None:
        await self.fence.step(cast("Any", self.direct))
        self.line.is_expired = False

    def expires(self) -> None:
        """The database thinks that it is dead: its leases may be ended from now on."""
        self.line.is_expired = True
        rows = self.line.database.execute(LEASED, (self.name,))
        self.line.doubtful.update(row[0] for row in rows)

    async def admits(self) -> bool:
        """By what it remembers of the key, or reads."""
        if not self.fence.is_fresh():
            return False
        key = self.remembered() or await self.load()
        return key is not None and key.revoked_at is None

    def remembered(self) -> KeySnapshot | None:
        return self.memory.get(self.key.key_id, self.fence.clock(), self.fence.now())

    def admits_at_once(self) -> bool:
        key = self.remembered() if self.fence.is_fresh() else None
        return key is not None and key.revoked_at is None

    async def ask(self, take: Take, note: Callable[["Process", Take, Taken], None]) -> None:
        """As the door does: what changed while it waited has it give everything back."""
        seen = self.fence.applied
        try:
            if not await self.admits():
                return
            taken = self.keeper.take_now(take) or await self.keeper.take(take)
        except DatabaseUnavailable:
            return
        if seen == self.fence.applied and self.fence.is_fresh():
            note(self, take, taken)
        else:
            self.keeper.give_back(taken.charges)

    async def turn(self) -> None:
        """One round of the keeper's, and whoever waited hears."""
        if self.is_stopped:
            return
        try:
            await self.keeper.work()
        except FAILURES:
            await self.keeper.stumble()
        for _ in range(3):
            await asyncio.sleep(0)

    def holds_in_doubt(self, place: Place) -> int:
        """Units that nobody can call back."""
        purses = self.keeper.purses.purses.values()
        doubtful = [purse for purse in purses if purse.counter in self.line.doubtful]
        return sum(max(purse.left, 0) for purse in doubtful if place_of_purse(purse) == place)

    def dies(self) -> None:
        """Nobody hears of it again. What it held is lost, and what it had not told."""
        for task in self.waiting:
            task.cancel()
        keeper, sent = self.keeper, self.keeper.sent
        is_done = sent is not None and sent.parameters is self.line.unheard
        purses = {*keeper.purses.purses.values(), *keeper.purses.returning}
        if sent is not None and sent.order is not None:
            purses.update(sent.order.purses)
            if is_done:
                self.lose(self.line.units)
        elif sent is not None and not is_done:
            self.hold(sent.parameters)
        for purse in purses:
            self.account.held(place_of_purse(purse), purse.left)
        for charge in keeper.refunds:
            self.account.held(place_of(charge), charge.units)

    def lose(self, units: dict[Any, int]) -> None:
        """Granted, and it did not hear of it."""
        sent = self.keeper.sent
        assert sent is not None
        columns = (sent.parameters[name] for name in ("subjects", "periods", "starts"))
        for place in zip(*columns, strict=True):
            self.account.lost[place] += units.get(place, 0)

    def hold(self, values: dict[str, Any]) -> None:
        """It was giving these back, and could not."""
        for counter, left in zip(values["counters"], values["lefts"], strict=True):
            self.account.held(self.line.places[counter], left)


def answer_of(database: psycopg.Connection, statement: str, values: dict[str, Any]) -> Answer:
    return Answer(database.execute(statement, values))
