"""What the machine looks at while it plays, and what must hold when everything has come to rest."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar

import psycopg
from hypothesis.stateful import RuleBasedStateMachine, invariant

from apikeys.gate.effects import LoadKey, Take, Taken
from apikeys.gate.verdict import Charge
from apikeys.ledger import sql
from apikeys.ledger.take import parameters
from momentry.common.fence import sql as fence
from tests.apikeys.ledger_account import ZONE, Account, Place, place_of, quotas_of
from tests.apikeys.ledger_line import Row, Watched
from tests.apikeys.ledger_stage import BootClock, Clock, Process

SHORTLY = 0.02  # seconds: many rounds until nobody waits any more for what is called back
LAST = 4  # units that are taken one by one at the end
STATE = "UPDATE apikeys_apikey SET revoked_at = %s WHERE id = %s"
BOOKS = """
SELECT subject, period, period_start, used, leased FROM apikeys_counter
 WHERE subject = ANY(%(subjects)s)"""
FORGET = """
WITH a AS (DELETE FROM apikeys_lease), b AS (DELETE FROM apikeys_counter),
     c AS (DELETE FROM common_fencechange)
DELETE FROM common_fenceprocess"""


class Stage(RuleBasedStateMachine):
    """Three processes on one database, and Django beside them."""

    database: ClassVar[Watched]
    second: ClassVar[psycopg.Connection]  # for who is at work at the same time
    loop: ClassVar[asyncio.AbstractEventLoop]
    clock: ClassVar[Clock]
    boot_clock: ClassVar[BootClock]
    key: ClassVar[LoadKey]

    def __init__(self) -> None:
        super().__init__()
        self.run_id = uuid.uuid4().hex
        self.limits = (1, 1)
        self.now = datetime(2027, 1, 1, tzinfo=UTC)
        self.account = Account()
        self.charges: list[tuple[Process | None, Charge]] = []
        self.revoked_at = 0  # the generation
        self.is_answered = False
        self.plays_fence = True
        self.processes: list[Process] = []
        self.database.recall = self.recall_all

    def born(self) -> Process:
        """It remembers nothing, so it has followed everything."""
        made = Process(self.database, self.account, self.key)
        made.fence.applied = self.fetch(fence.LOOK)[0][0]
        self.run(made.renew())
        return made

    def run(self, playing: Any) -> None:
        self.loop.run_until_complete(playing)

    def recall_all(self, counters: str) -> None:
        for process in self.processes:
            process.keeper.recall(counters)

    def fetch(self, statement: str, **values: Any) -> list[Row]:
        return self.database.execute(statement, values).fetchall()

    def note(self, process: Process | None, take: Take, found: Taken) -> None:
        if found.exceeded is not None:
            assert found.charges == ()
            return
        assert not self.is_answered or process is None, "a revoked key was admitted"
        self.account.admit(take, found)
        self.charges += [(process, charge) for charge in found.charges]

    def wanted(self, which: int, units: int) -> Take:
        quotas = quotas_of(self.run_id, self.limits, which)
        return Take(quotas, (units,) * len(quotas), self.now)

    async def rounds(self, seconds: float = 0.1) -> None:
        for process in self.processes:
            await process.turn()
        self.clock.now += seconds

    # What holds.

    @invariant()
    def books_are_right(self) -> None:
        if self.database.is_changed:
            assert self.fetch(sql.VERIFY) == []
            self.database.is_changed = False

    def teardown(self) -> None:
        try:
            if self.processes:
                self.end_the_play()
        finally:
            self.database.execute(FORGET)

    def end_the_play(self) -> None:
        self.is_answered = False
        if self.revoked_at:
            self.database.execute(STATE, (None, self.key.key_id))
        self.run(self.go_on())
        self.count()
        self.run(self.use_up())
        self.run(self.come_to_rest())
        self.count()

    async def go_on(self) -> None:
        """Everybody does, and nothing is lost any more."""
        for process in self.processes:
            process.line.loses = ""
            process.loads.ready.clear()  # five old answers in a row are a database that is away
            process.is_stopped = False
            await process.renew()
        for _ in range(8):
            await self.rounds()
        await self.come_to_rest()

    async def come_to_rest(self) -> None:
        """All that is held comes back."""
        for process in self.processes:
            assert not process.waiting, "somebody waits for ever"
            process.keeper.purses.give_up_all()
            await process.turn()

    def count(self) -> None:
        subjects = [f"key:{self.run_id}", f"member:{self.run_id}"]
        for *place, used, leased in self.fetch(BOOKS, subjects=subjects):
            where: Place = (place[0], place[1], place[2])
            assert leased == 0
            least = self.account.spent(where) - self.account.untold[where]
            assert least <= used <= self.account.gone(where)

    async def use_up(self) -> None:
        """What is left can be admitted to the last unit, and no more, by two processes; also what
        a third one holds and has to give back for it."""
        look = parameters(self.wanted(2, 0), ZONE)
        self.database.execute(sql.OPEN, look)
        used = {row[0]: row[3] for row in self.fetch(sql.TAKE, **look)}
        left = max(0, min(quota.limit - used[quota.subject] for quota in self.wanted(2, 0).quotas))
        if left > LAST:
            self.django_spends(look | {"needs": [left - LAST] * 2}, left - LAST)
        await self.hoard(min(left, 2))
        found: list[int] = []
        for turn in range(min(left, LAST) + 2):
            await self.ask_patiently(self.processes[turn % 2], self.wanted(2, 1), found)
        assert found == [1] * min(left, LAST) + [0] * 2

    def django_spends(self, values: dict[str, Any], units: int) -> None:
        self.database.execute(sql.TAKE, values)
        for place in self.places(self.wanted(2, units)):
            self.account.admitted[place] += units

    async def hoard(self, units: int) -> None:
        found: list[int] = []
        before = len(self.charges)
        if units:
            await self.ask_patiently(self.processes[2], self.wanted(2, units), found)
        for process, charge in self.charges[before:]:
            assert process is not None
            self.account.admitted[place_of(charge)] -= charge.units
            process.keeper.give_back((charge,))
        del self.charges[before:]

    def places(self, take: Take) -> list[Place]:
        values = parameters(take, ZONE)
        columns = (values[name] for name in ("subjects", "periods", "starts"))
        return list(zip(*columns, strict=True))

    async def ask_patiently(self, process: Process, take: Take, found: list[int]) -> None:
        def note(process: Process, take: Take, taken: Taken) -> None:
            found.append(int(taken.exceeded is None))
            self.note(process, take, taken)

        task = asyncio.ensure_future(process.ask(take, note))
        await asyncio.sleep(0)
        while not task.done():
            await self.rounds(SHORTLY)
        task.result()
