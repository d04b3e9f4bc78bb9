"""The gateway's door to the gate: asyncio and psycopg. Django's is apikeys.services.gate."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

from apikeys.gate.checks import CHECKS, Refusal
from apikeys.gate.credential import Credential, find_credential
from apikeys.gate.effects import DatabaseUnavailable, Effect, LoadKey, Overloaded
from apikeys.gate.inspection import SHOWN, Inspected, inspect, inspect_key, request_of
from apikeys.gate.judge import judge, judge_key, refused
from apikeys.gate.opening import still_opens
from apikeys.gate.proof import INVALID
from apikeys.gate.question import Question
from apikeys.gate.quick import admit, invalid, key_shown
from apikeys.gate.replies import LATER, TRIES, UNAVAILABLE, Replies
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.standing import Standing
from apikeys.gate.verdict import Charge, Entry, Verdict

CLOSED: Final = refused(Refusal("database_unavailable"))


class Charged(Protocol):
    @property
    def ok(self) -> bool: ...
    @property
    def charges(self) -> tuple[Charge, ...]: ...
    @property
    def entry(self) -> Entry | None: ...


C = TypeVar("C", bound=Charged)


class Paused(Generic[C]):
    """A judgement that came as far as memory goes: this effect must be waited for."""

    __slots__ = ("effect", "judging", "seen")

    def __init__(self, judging: Generator[Effect, Any, C], effect: Effect, seen: int) -> None:
        self.judging = judging
        self.effect = effect
        self.seen = seen  # the fence's generation that its memory is of


class AsyncDoor(Replies):
    """Runs the gate's judgements: as far as memory goes at once, the rest beside."""

    __slots__ = ()

    def judge_now(self, request: GateRequest) -> Verdict | Paused[Verdict] | None:
        """The verdict if memory is enough for it; None when this process must not rely on it."""
        if not self.fence.is_fresh():
            return None
        credential = key_shown(request, self.policy)
        if credential is not None and self.rules.version and not self.is_blocked(request.client):
            if (key := self.opened(credential.secret)) is not None:
                if (verdict := admit(request, key, credential)) is not None:
                    return verdict
                return self.begin(judge_key(request, key.at(self.fence.now()), credential))
            if self.is_nobodys(credential.secret):
                return invalid(credential.header)
        return self.begin(judge(request, self.policy))

    def standing(self, request: GateRequest, verdict: Verdict) -> Standing | None:
        """Of a verdict that judge_now has just given, if it would be the same again."""
        shown = key_shown(request, self.policy)
        key = None if shown is None or not verdict.ok else self.opened(shown.secret)
        if key is None or request.dry_run or not request.holds:
            return None
        if request.hold is not None and key.budgets:  # each call holds what it may use itself
            return None
        until = self.memory.until(key.key_id)
        return Standing(self.epoch, key, until, request, verdict)

    def again(self, standing: Standing, now: datetime) -> Verdict | None:
        """The verdict on the same request once more, from memory; None: it must be judged."""
        clock = self.fence.clock()
        if standing.epoch != self.epoch or clock >= standing.until:
            return None
        return standing.again(self, now) if clock < self.fence.fresh_until else None

    async def judge(self, request: GateRequest, paused: Paused[Verdict] | None = None) -> Verdict:
        """The verdict; ``database_unavailable`` when the database does not answer."""
        try:
            return await self.settled(lambda: judge(request, self.policy), paused)
        except DatabaseUnavailable:
            return CLOSED

    def inspect_now(self, question: Question) -> Inspected | Paused[Inspected] | None:
        """As judge_now. Raises DatabaseUnavailable."""
        if not self.fence.is_fresh():
            return None
        key = None if question.ip else self.opened(question.key)
        if key is None or key.metadata is None:
            return self.begin(inspect(question, self.policy))
        verdict = None
        if question.hold is None:
            verdict = admit(request_of(question), key, Credential(question.key, SHOWN))
        if verdict is not None:
            return Inspected(question, verdict, key)
        return self.begin(inspect_key(question, key.at(self.fence.now())))

    async def inspect(
        self, question: Question, paused: Paused[Inspected] | None = None
    ) -> Inspected:
        """Raises DatabaseUnavailable and Overloaded."""
        return await self.settled(lambda: inspect(question, self.policy), paused)

    async def settled(
        self, make: Callable[[], Generator[Effect, Any, C]], paused: Paused[C] | None
    ) -> C:
        """A judgement during which nothing changed that it may rest on: else once more, so that
        nobody passes by what was taken away while he waited. Raises DatabaseUnavailable."""
        for _ in range(TRIES):
            if paused is None:
                if not await self.fence.fresh():
                    raise DatabaseUnavailable
                begun = self.begin(make())
                if not isinstance(begun, Paused):
                    return begun
                paused = begun
            found = await self.run(paused)
            if not found.ok or (paused.seen == self.fence.applied and self.fence.is_fresh()):
                return found
            await self.undo(found)
            paused = None
        raise DatabaseUnavailable

    async def refusal(self, request: GateRequest, key_id: UUID) -> Refusal | None:
        """Of checks 3 to 7, by what the database says now: of a request that was admitted by this
        key, whose life is told first. Raises DatabaseUnavailable and Overloaded."""
        try:
            async with self.pool.connection() as connection:
                key = await self.load(connection, LoadKey(key_id))
            if key is None:
                return INVALID
            refusal = next(filter(None, (check(request, key) for check in CHECKS)), None)
            return refusal or await self.lost_secret(request, key)
        except UNAVAILABLE:
            raise DatabaseUnavailable from None

    async def lost_secret(self, request: GateRequest, key: KeySnapshot) -> Refusal | None:
        """A rotation without a grace leaves the key as it is, and ends what came with the old
        secret. Failures are not counted: nobody guesses by what was right before."""
        credential = find_credential(request.headers)
        if not isinstance(credential, Credential):
            return None
        opening, reply = still_opens(credential.secret, key, self.policy), None
        while True:
            try:
                effect = opening.send(reply)
            except StopIteration as stop:
                return None if stop.value else INVALID
            reply = self.answer_now(effect)
            if reply is LATER:
                reply = await self.answer(effect)

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
        with contextlib.suppress(DatabaseUnavailable, Overloaded):
            await self.undo(await task)

    def begin(self, judging: Generator[Effect, Any, C]) -> C | Paused[C]:
        """As far as memory goes, without a task."""
        seen = self.fence.applied
        try:
            effect = next(judging)
            while True:
                try:
                    reply = self.answer_now(effect)
                except DatabaseUnavailable as error:
                    effect = judging.throw(error)
                    continue
                if reply is LATER:
                    return Paused(judging, effect, seen)
                effect = judging.send(reply)
        except StopIteration as stop:
            result: C = stop.value
            return result

    async def run(self, paused: Paused[C]) -> C:
        judging, effect = paused.judging, paused.effect
        try:
            while True:
                try:
                    reply = self.answer_now(effect)
                    if reply is LATER:
                        reply = await self.answer(effect)
                except (*UNAVAILABLE, DatabaseUnavailable):
                    effect = judging.throw(DatabaseUnavailable())
                except Exception as error:  # noqa: BLE001  raised again there, once slots are left
                    effect = judging.throw(error)
                else:
                    effect = judging.send(reply)
        except StopIteration as stop:
            result: C = stop.value
            return result

    async def undo(self, taken: Charged) -> None:
        """The request came to nothing: all that it took goes back."""
        if taken.entry is not None:
            self.entrance.leave(taken.entry, back=True)
        self.keeper.give_back(taken.charges)
