"""The relay's rounds: none delays another, none is ended by a failure, all end with the process."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError

from momentry import rounds
from momentry.rounds import Round, Then, go_round

PATIENCE = 20.0
LONG = 3600.0  # no round is looked at twice by itself


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(rounds, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """What hangs, hangs until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def play(*some: Round, until: threading.Event, call: str | None = None) -> None:
    """These rounds, until that is set; ``call`` is called as soon as they go."""

    async def listen(heard: Callable[[str], object]) -> None:
        if call is not None:
            heard(call)

    async def work() -> None:
        stop = asyncio.Event()
        going = asyncio.create_task(go_round(some, stop, listen, counts=False))
        assert await asyncio.to_thread(until.wait, PATIENCE)
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await going

    asyncio.run(work())


def counting(times: int, then: object = None) -> tuple[Callable[[], object], threading.Event]:
    """Work, and the event that so many turns set."""
    enough, turns = threading.Event(), iter(range(1, 1_000_000))

    def work() -> object:
        if next(turns) >= times:
            enough.set()
        return then

    return work, enough


def test_a_round_that_hangs_delays_no_other_and_not_the_end(monkeypatch, caplog, held):
    monkeypatch.setattr(rounds, "STOP_SECONDS", 0.1)
    work, enough = counting(5)

    async def never() -> None:
        await asyncio.Event().wait()

    play(Round("hangs", held.wait), Round("waits", never), Round("quick", work, 0.01), until=enough)

    late = [record for record in caplog.records if "did not end" in record.message]
    assert [record.rounds for record in late] == ["hangs, waits"]


def test_what_fails_is_said_once_and_tried_again(caplog):
    caplog.set_level("INFO")
    failures, done = iter(range(3)), threading.Event()

    def work() -> None:
        if next(failures, None) is not None:
            raise ValueError("not said twice")
        done.set()

    play(Round("failing", work, 0.01), until=done)

    said = [record.levelname for record in caplog.records if record.name == "momentry.rounds"]
    assert said == ["ERROR", "INFO"]


def test_another_failure_is_said_at_once(caplog):
    errors, done = iter([ValueError("a"), KeyError("b"), KeyError("c")]), threading.Event()

    def work() -> None:
        if (error := next(errors, None)) is not None:
            raise error
        done.set()

    play(Round("failing", work, 0.01), until=done)

    assert [record.error for record in caplog.records if record.levelname == "ERROR"] == [
        "ValueError",
        "KeyError",
    ]


def test_that_the_database_is_away_is_no_defect(caplog):
    errors, done = iter([OperationalError("away")]), threading.Event()

    def work() -> None:
        if (error := next(errors, None)) is not None:
            raise error
        done.set()

    play(Round("failing", work, 0.01), until=done)

    said = [(record.levelname, record.exc_info) for record in caplog.records]
    assert [each for each in said if each[0] != "INFO"] == [("WARNING", None)]


@pytest.mark.parametrize("name", ["called", ""])
def test_a_round_is_looked_at_when_it_is_called(name):
    """Also while it is at work: it begins with nobody having told it."""
    work, enough = counting(2)

    play(Round("called", work, LONG), until=enough, call=name)


def test_another_rounds_call_is_not_its_own():
    work, enough = counting(2)
    tick, ticked = counting(20)

    play(Round("one", work, LONG), Round("other", tick, 0.01), until=ticked, call="other")

    assert not enough.is_set()


def test_there_is_more_means_at_once():
    work, enough = counting(50, Then.AGAIN)

    play(Round("more", work, LONG), until=enough)


def test_done_means_never_again():
    work, twice = counting(2, Then.DONE)
    tick, ticked = counting(20)

    play(Round("once", work, 0.001), Round("other", tick, 0.01), until=ticked, call="")

    assert not twice.is_set()


def test_asynchronous_work_runs_on_the_loop():
    done = threading.Event()

    async def work() -> None:
        await asyncio.sleep(0)
        assert threading.current_thread() is threading.main_thread()
        done.set()

    play(Round("coroutine", work), until=done)


def test_long_work_is_told_that_the_process_is_to_end():
    begun = threading.Event()

    def work() -> None:
        begun.set()
        assert rounds.over.wait(PATIENCE)

    play(Round("long", work), until=begun)


def test_what_fails_rests_however_often_it_is_called(monkeypatch):
    """And its rest does not hold up the end."""
    monkeypatch.setattr(rounds, "PAUSE_SECONDS", LONG)
    turns = []
    tick, ticked = counting(20)

    def work() -> None:
        turns.append(1)
        raise ValueError("again")

    play(Round("failing", work, 0.001), Round("tick", tick, 0.01), until=ticked, call="failing")

    assert turns == [1]


def test_a_thread_leaves_neither_itself_nor_its_connections(monkeypatch):
    """What hangs at the end must not keep the process; of a turn no connection stays."""
    left, done = [], threading.Event()
    monkeypatch.setattr(
        rounds, "close_old_connections", lambda: left.append(threading.current_thread().name)
    )
    outcomes = iter([ValueError("a")])

    def work() -> None:
        assert threading.current_thread().daemon
        if (error := next(outcomes, None)) is not None:
            raise error
        done.set()

    play(Round("one", work, 0.001), until=done)

    assert len(left) >= 2
    assert set(left) == {"round-one"}
