"""What a process does over and over. Each round has a task of its own, and its work a thread unless
it is asynchronous: one that is slow, or hangs, delays no other."""

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from enum import Enum
from time import monotonic
from typing import Any, Final, NamedTuple

from django.db import Error, close_old_connections

from momentry.common.turns import Tally, count

logger = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0  # after a failure, however often it is called
SAY_SECONDS: Final = 60.0  # how often a failure that lasts is said
COUNT_SECONDS: Final = 5.0
STOP_SECONDS: Final = 20.0

over: Final = threading.Event()
"""Is the process to end?"""
going: Final["ContextVar[Turns | None]"] = ContextVar("going", default=None)


def is_over() -> bool:
    """Long work asks it before each of its steps. Asked again in one turn it has done one, which
    /metrics tells as it tells a turn that ended well."""
    turns = going.get()
    if turns is not None:
        turns.ask()
    return over.is_set()


class Then(Enum):
    """What work may answer; anything else means: look again after the round's pause."""

    AGAIN = "there is more: look again at once"
    DONE = "never again in this process"


class Round(NamedTuple):
    """``work`` is looked at every ``seconds``, and when it is called (momentry.common.wake). It is
    a function, which gets a thread, or a coroutine function, which runs on the loop."""

    name: str
    work: Callable[[], object]
    seconds: float = 1.0


class Turns:
    """One round, until the process is to end."""

    def __init__(self, each: Round, stop: asyncio.Event) -> None:
        self.round = each
        self.stop = stop
        self.called = asyncio.Event()
        self.trouble = ""
        self.say_at = 0.0
        self.tally = Tally(each.name, 0, 0, 0.0)
        self.asked = self.is_done = False
        self.steps = 0  # of turns that last; counted by its own thread

    async def run(self) -> None:
        going.set(self)
        while not over.is_set():
            self.called.clear()  # who calls from now on is heard
            then = await self.turn()
            if then is Then.DONE:
                self.is_done = True
                return
            if then is not Then.AGAIN:
                await self.rest()

    async def turn(self) -> object:
        """Whatever fails is said and tried again."""
        began, self.asked = monotonic(), False
        try:
            then = await self.work()
        except Exception as error:  # noqa: BLE001  the outermost loop
            self.add(monotonic() - began, failures=1)
            self.say(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), PAUSE_SECONDS)
            return Then.AGAIN
        self.add(monotonic() - began, failures=0)
        if self.trouble:
            logger.info("a round works again", extra={"round": self.round.name})
            self.trouble = ""
        return then

    async def work(self) -> object:
        if inspect.iscoroutinefunction(self.round.work):
            return await self.round.work()
        return await in_thread(f"round-{self.round.name}", self.go)

    def go(self) -> object:
        going.set(self)  # in its thread
        return self.round.work()

    def ask(self) -> None:
        self.steps += self.asked
        self.asked = True

    async def rest(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.called.wait(), self.round.seconds)

    def add(self, seconds: float, *, failures: int) -> None:
        name, turns, failed, spent, _ = self.tally
        self.tally = Tally(name, turns + 1, failed + failures, spent + seconds)

    def say(self, error: Exception) -> None:
        """A failure that lasts is not said every second. That the database is away is no defect."""
        name, now = type(error).__name__, monotonic()
        if name == self.trouble and now < self.say_at:
            return
        self.trouble, self.say_at = name, now + SAY_SECONDS
        is_defect = not isinstance(error, Error)
        logger.log(
            logging.ERROR if is_defect else logging.WARNING,
            "a round failed and is tried again",
            extra={"round": self.round.name, "error": name},
            exc_info=error if is_defect else None,
        )


def in_thread(name: str, work: Callable[[], object]) -> "asyncio.Future[object]":
    """A daemon: what hangs does not keep the process from ending, as a pool's thread would."""
    future: Future[object] = Future()
    future.set_running_or_notify_cancel()
    threading.Thread(target=fill, args=(future, work), name=name, daemon=True).start()
    return asyncio.wrap_future(future)


def fill(future: "Future[object]", work: Callable[[], object]) -> None:
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001  it is raised where it is awaited
        future.set_exception(error)
    else:
        future.set_result(answer)
    finally:
        close_old_connections()


class Counting:
    """Adds what all rounds did to what the database knows, and names them; what it cannot be told
    now, later. One that is done is named no more: else it would seem to stand still."""

    def __init__(self, some: Iterable[Turns]) -> None:
        self.steps = dict.fromkeys(some, 0)

    async def tell(self) -> None:
        """On the loop, as the rounds' own adding is: nothing comes in between."""
        taken = [(each, each.tally, each.steps) for each in self.steps if not each.is_done]
        tallies = [tally._replace(came_on=steps > self.steps[each]) for each, tally, steps in taken]
        await in_thread("counts", lambda: count(tallies))
        for each, told, steps in taken:
            name, turns, failures, seconds, _ = each.tally  # it may have gone on meanwhile
            each.tally = Tally(
                name, turns - told.turns, failures - told.failures, seconds - told.seconds
            )
            self.steps[each] = steps


Listen = Callable[[Callable[[str], object]], Coroutine[Any, Any, None]]


async def go_round(
    rounds: tuple[Round, ...], stop: asyncio.Event, listen: Listen, *, counts: bool = True
) -> None:
    """All of them, until ``stop``; then each has STOP_SECONDS to end the turn it is in.
    ``listen(call)`` is awaited beside them and calls rounds by their names, all by ''."""
    over.clear()
    turns = {each.name: Turns(each, stop) for each in rounds}

    def call(name: str) -> None:
        for each in turns.values():
            if name in {"", each.round.name}:
                each.called.set()

    going = [*turns.values()]
    if counts:
        counting = Round("counts", Counting(turns.values()).tell, COUNT_SECONDS)
        going.append(Turns(counting, stop))
    tasks = {asyncio.create_task(each.run()): each.round.name for each in going}
    ears = asyncio.create_task(listen(call))
    await stop.wait()
    over.set()
    for each in going:
        each.called.set()
    ears.cancel()
    _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
    if late:
        names = ", ".join(sorted(tasks[task] for task in late))
        logger.warning("rounds that did not end in time", extra={"rounds": names})
