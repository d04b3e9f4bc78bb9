"""The fence's rules: renewals that are late, half or race a change, changes, and who may know."""

import contextlib
from datetime import UTC, datetime

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from apikeys.gate import snapshot
from apikeys.gate.effects import DatabaseUnavailable
from momentry.common.fence import sql as fence
from tests.apikeys.ledger_end import STATE, Stage
from tests.apikeys.ledger_line import Row
from tests.apikeys.ledger_stage import Process, answer_of

WHO = st.integers(0, 2)
REVOKED = datetime(2027, 1, 1, tzinfo=UTC)
LATE_SECONDS = 20.0  # of a lease of 30
TIMES = st.integers(1, 2)
LATER = """
UPDATE common_fenceprocess SET expires_at = expires_at - %s * interval '1 second'
RETURNING id, expires_at > clock_timestamp()"""
LIVING = "SELECT id, expires_at > clock_timestamp() FROM common_fenceprocess"
RULES_CHANGED = "SELECT momentry_fence_note('rules', '')"


if_fence = precondition(lambda self: self.plays_fence)  # else more of the ledger is seen


class FenceRules(Stage):
    @if_fence
    @rule(who=WHO, is_half=st.booleans())
    def renew(self, who: int, is_half: bool) -> None:
        """By half: what changed is followed, and not said."""
        process = self.processes[who]
        self.run(process.renew_once() if is_half else process.renew())

    @if_fence
    @rule(who=WHO, times=TIMES, is_revoked=st.booleans())
    def renew_slowly(self, who: int, times: int, is_revoked: bool) -> None:
        """The answer is on its way for most of the lease, or longer; meanwhile the key may be
        revoked, and everybody else follows."""
        process = self.asked(who)

        async def meanwhile() -> None:
            await self.goes_on_without(process, times)
            if is_revoked:
                self.revoke()
                await self.others_renew(process)

        process.direct.meanwhile = meanwhile
        self.run(process.renew_once())
        self.note_expired(self.fetch(LIVING))

    @rule(who=WHO)
    def is_late_with_renewing(self, who: int) -> None:
        """Everybody else is not."""
        self.run(self.goes_on_without(self.processes[who]))

    async def goes_on_without(self, process: Process, times: int = 1) -> None:
        for _ in range(times):
            self.much_time_passes()
            await self.others_renew(process)

    def asked(self, who: int) -> Process:
        """It remembers the key, if it may."""
        process = self.processes[who]
        with contextlib.suppress(DatabaseUnavailable):
            self.run(process.admits())
        return process

    async def others_renew(self, process: Process) -> None:
        for other in self.processes:
            if other is not process:
                await other.renew()

    def much_time_passes(self) -> None:
        """By all clocks, the database's too."""
        self.boot_clock.ahead += LATE_SECONDS
        self.note_expired(self.database.execute(LATER, (LATE_SECONDS,)).fetchall())

    def note_expired(self, rows: list[Row]) -> None:
        living = {name for name, is_alive in rows if is_alive}
        for process in self.processes:
            if process.name not in living:
                process.expires()

    @if_fence
    @rule(who=WHO, is_stale=st.booleans())
    def renewal_races_a_revocation(self, who: int, is_stale: bool) -> None:
        """The renewal has read the generation and is not committed when the key is revoked, and
        everybody else follows that at once."""
        process = self.asked(who)
        if is_stale:
            self.run(self.goes_on_without(process, 2))
        values = {"process": process.name, "applied": process.fence.applied, "lease": 30.0}
        self.database.execute("SET lock_timeout = '2ms'")
        with self.second.transaction():
            late = answer_of(self.second, fence.RENEW, values)
            with contextlib.suppress(psycopg.errors.LockNotAvailable):  # it waits, as it should
                self.revoke()
                self.run(self.others_renew(process))
                self.is_answer_due()
        self.database.execute("RESET lock_timeout")
        process.direct.ready.append(late)
        self.run(process.renew_once())

    @if_fence
    @rule(who=WHO)
    def read_the_key_slowly(self, who: int) -> None:
        values = snapshot.parameters(self.key.key_id)
        late = answer_of(self.database, snapshot.SNAPSHOT_SQL, values)
        self.processes[who].loads.ready.append(late)

    @if_fence
    @rule()
    def revoke(self) -> None:
        if not self.revoked_at:
            self.database.execute(STATE, (REVOKED, self.key.key_id))
            ((self.revoked_at, behind),) = self.fetch(fence.LOOK)
            self.is_answered = behind == 0

    @if_fence
    @rule()
    def change_rules(self) -> None:
        self.database.execute(RULES_CHANGED)

    @invariant()
    def is_answer_due(self) -> None:
        """Whoever revoked asks all the time; from its answer on nobody admits the key."""
        if self.revoked_at and not self.is_answered:
            behind = self.fetch(fence.BEHIND, generation=self.revoked_at)
            self.is_answered = behind == [(0,)]
        if self.is_answered:
            assert not any(process.admits_at_once() for process in self.processes)

    @if_fence
    @rule()
    def allow_again(self) -> None:
        if self.revoked_at:
            self.is_answered = False
            self.revoked_at = 0
            self.database.execute(STATE, (None, self.key.key_id))
