"""The rules by which ledger and fence are played.

Processes are the gateway's own parts on the real statements; see ledger_stage.
"""

import asyncio
from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from apikeys.gate.effects import Take
from apikeys.gate.verdict import Charge
from apikeys.ledger import sql
from apikeys.ledger.take import give_back_parameters, is_recalled, parameters, taken
from tests.apikeys.fence_rules import WHO, FenceRules
from tests.apikeys.ledger_account import ZONE, place_of
from tests.apikeys.ledger_stage import Process

MOMENTS = (
    datetime(2027, 1, 31, 22, 59, 59, tzinfo=UTC),  # of Berlin's January the last second
    datetime(2027, 1, 31, 23, 0, 0, tzinfo=UTC),
    datetime(2027, 1, 30, 12, 0, 0, tzinfo=UTC),
)
LIMITS = st.sampled_from((30, 300, 100, 7, 1))
UNITS = st.integers(1, 5)
PATIENCE = st.sampled_from((0, 1, 6))  # rounds of the keepers
LOSES = st.sampled_from(("after", "before"))
SURE = 0.06  # seconds after which "nowhere a unit left" is not believed any more
EXPIRE = "UPDATE common_fenceprocess SET expires_at = '-infinity' WHERE id = %s"


class LedgerAndFence(FenceRules):
    @initialize(limits=st.tuples(LIMITS, LIMITS), plays_fence=st.booleans())
    def begin(self, limits: tuple[int, int], plays_fence: bool) -> None:
        self.plays_fence = plays_fence
        self.limits = limits
        self.now = MOMENTS[0]
        self.processes = [self.born() for _ in range(3)]

    # Requests.

    @rule(who=WHO, which=WHO, units=UNITS, patience=PATIENCE)
    def take(self, who: int, which: int, units: int, patience: int) -> None:
        self.run(self.play(self.processes[who], self.wanted(which, units), patience))

    @rule(who=WHO, which=WHO, units=UNITS, loses=LOSES)
    def take_and_lose_an_answer(self, who: int, which: int, units: int, loses: str) -> None:
        process = self.processes[who]
        process.line.loses = loses
        self.run(self.play(process, self.wanted(which, units), 2))
        process.line.loses = ""

    async def play(self, process: Process, take: Take, patience: int) -> None:
        task = asyncio.ensure_future(process.ask(take, self.note))
        process.waiting.add(task)
        task.add_done_callback(process.waiting.discard)
        await asyncio.sleep(0)
        for _ in range(patience):
            if task.done():
                break
            await self.rounds()
        if task.done():
            task.result()

    @rule(who=WHO, which=WHO, units=UNITS)
    def a_refusal_is_right(self, who: int, which: int, units: int) -> None:
        """While everybody can give back, nobody is refused what is unspent anywhere."""
        if any(process.is_stopped for process in self.processes):
            return
        for process in self.processes:
            process.line.loses = ""
        take = self.wanted(which, units)
        self.clock.now += SURE
        found: list[int] = []
        self.run(self.rounds())
        self.run(self.ask_patiently(self.processes[who], take, found))
        assert found != [0] or self.is_used_up(take), "refused what is there"

    def is_used_up(self, take: Take) -> bool:
        account, is_up = self.account, False
        for place, quota, need in zip(self.places(take), take.quotas, take.needs, strict=True):
            held = sum(process.holds_in_doubt(place) for process in self.processes)
            is_up = is_up or account.gone(place) + held + need > quota.limit
        return is_up

    @rule(which=WHO, units=UNITS, patience=PATIENCE)
    def django_takes(self, which: int, units: int, patience: int) -> None:
        """As Django does, and a gateway for units that any process may give back."""
        take = self.wanted(which, units)
        while True:
            rows = self.fetch(sql.TAKE, **parameters(take, ZONE))
            if is_recalled(rows):
                self.database.hear()
            if is_recalled(rows) and patience:
                patience -= 1
                self.run(self.rounds())
            elif (found := taken(take, rows, ZONE)) is not None:
                return self.note(None, take, found)
            else:
                self.database.execute(sql.OPEN, parameters(take, ZONE))

    @rule(number=st.integers(0, 30), by=WHO, cost=st.sampled_from((0, 0, 1, 3, 9)))
    def settle(self, number: int, by: int, cost: int) -> None:
        """All of a charge goes back, or a part, or it turns out that it cost more."""
        if not self.charges:
            return
        process, charge = self.charges.pop(number % len(self.charges))
        if process is not None and process not in self.processes:
            return
        back = min(charge.units, charge.units - cost)
        if back < 0:
            self.account.beyond[place_of(charge)] -= back
        else:
            self.account.admitted[place_of(charge)] -= back
        if process is None and by:  # of Django's, through any process
            process = self.processes[by]
        self.give_back(process, charge._replace(units=back))

    def give_back(self, process: Process | None, charge: Charge) -> None:
        if process is not None:
            process.keeper.give_back((charge,))
        elif charge.units:
            done = self.database.execute(sql.GIVE_BACK, give_back_parameters([charge]))
            assert done.rowcount == 1

    # What happens to them.

    @rule(who=WHO, loses=st.sampled_from(("", "", "after", "before")))
    def turn(self, who: int, loses: str) -> None:
        self.processes[who].line.loses = loses
        self.run(self.processes[who].turn())

    @rule(who=WHO)
    def keep_books(self, who: int) -> None:
        """The process says what it spent, and looks for the dead."""
        kept = self.processes[who].keeper
        kept.reported_at = kept.reaped_at = 0.0
        self.run(self.processes[who].turn())
        kept.reported_at = kept.reaped_at = float("inf")

    @rule(who=WHO)
    def recall(self, who: int) -> None:
        """Somebody is short of all that it has."""
        held = self.processes[who].keeper.purses.purses.values()
        self.processes[who].keeper.recall(",".join(str(purse.counter) for purse in held))

    @rule(seconds=st.sampled_from((0.06, 0.3, 1.1)))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(moment=st.sampled_from(MOMENTS))
    def step_the_clock(self, moment: datetime) -> None:
        self.now = moment

    @rule(limits=st.tuples(LIMITS, LIMITS))
    def set_limits(self, limits: tuple[int, int]) -> None:
        self.limits = limits

    @rule(who=WHO)
    def stop_or_continue(self, who: int) -> None:
        self.processes[who].is_stopped = not self.processes[who].is_stopped

    @rule(who=WHO, how=st.sampled_from(("thought dead", "killed", "closed")))
    def end(self, who: int, how: str) -> None:
        """Closed, it gives back all that it holds. Who is only thought dead goes on."""
        process = self.processes[who]
        if how == "thought dead":
            process.fence.fresh_until = 0.0  # always before the database believes that it ended
            return self.bury(process)
        if how == "closed":
            process.is_stopped = False
            process.keeper.close()
            self.run(process.turn())
        process.dies()
        self.processes[who] = self.born()
        return self.bury(process)

    def bury(self, process: Process) -> None:
        process.expires()
        self.database.execute(EXPIRE, (process.name,))
        self.database.execute(sql.REAP)
