"""The clock that refusals leave by."""

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial
from statistics import quantiles

import pytest
import uvloop

from proxy.gateway.pace import AT_ONCE, CROWD, Pace

MakeLoop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=["asyncio", "uvloop"])
def make_loop(request: pytest.FixtureRequest) -> MakeLoop:
    return asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop


def play(make_loop: MakeLoop, delays: list[float]) -> list[tuple[float, float]]:
    """Wanted and real moment of each."""
    found: list[tuple[float, float]] = []

    def ring(moment: float, done: asyncio.Event) -> None:
        found.append((moment, time.monotonic()))
        if len(found) == len(delays):
            done.set()

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        pace = Pace(loop)
        done = asyncio.Event()
        for delay in delays:
            moment = time.monotonic() + delay
            pace.at(moment, partial(ring, moment, done))
        await asyncio.wait_for(done.wait(), 10)
        pace.close()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(wait())
    return found


def test_each_is_called_in_its_order_and_never_before_its_moment(make_loop: MakeLoop) -> None:
    delays = [random.Random(7).uniform(0, 0.05) for _ in range(200)]

    found = play(make_loop, delays)

    assert [wanted for wanted, _ in found] == sorted(wanted for wanted, _ in found)
    assert all(real >= wanted for wanted, real in found)


def test_it_is_finer_than_a_millisecond(make_loop: MakeLoop) -> None:
    """By the best tenth: what else the machine does makes the others late."""
    delays = [0.002 * n + 0.0003 for n in range(CROWD)]
    late = [real - wanted for _ in range(20) for wanted, real in play(make_loop, delays)]

    assert 0 <= quantiles(late, n=10)[0] < 0.0002


def test_a_crowd_is_called_by_the_millisecond(make_loop: MakeLoop) -> None:
    """Not each by a ring of its own; and still none before its moment."""
    found = play(make_loop, [0.02 + 0.0001 * n for n in range(200)])

    assert all(real >= wanted for wanted, real in found)
    first = min(real for _, real in found)
    assert len({int((real - first) * 5_000) for _, real in found[:-CROWD]}) < 60


def test_what_is_past_is_called_at_once(make_loop: MakeLoop) -> None:
    found = play(make_loop, [-5.0, -1.0, 0.0])

    assert len(found) == 3


def test_a_flood_lets_others_have_their_turn(make_loop: MakeLoop) -> None:
    called: list[str] = []

    async def flood() -> None:
        loop = asyncio.get_running_loop()
        pace = Pace(loop)
        if pace.descriptor < 0:
            return  # the loop's own timers, which nothing here bounds

        done = asyncio.Event()

        def other() -> None:
            called.append("other")
            loop.call_soon(other)

        moment = time.monotonic()
        for _ in range(40):
            pace.at(moment, partial(called.append, "refusal"))
        pace.at(moment, done.set)
        other()
        await done.wait()
        pace.close()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(asyncio.wait_for(flood(), 10))
    runs = " ".join(called).split("other")
    assert max(run.count("refusal") for run in runs) <= AT_ONCE


def test_one_that_fails_holds_up_no_other(make_loop: MakeLoop) -> None:
    called: list[int] = []

    def fail() -> None:
        raise ValueError

    async def ring() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        pace = Pace(loop)
        pace.at(time.monotonic() + 0.002, fail)
        for number in range(3):
            pace.at(time.monotonic() + 0.002, partial(called.append, number))
        await asyncio.sleep(0.1)
        pace.close()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(ring())

    assert called == [0, 1, 2]
