"""What /metrics tells of rounds: when each last ended a turn well, or came on in one that lasts;
only of rounds that some relay still has. MomentryRelayStopped pages by it."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apikeys.figures import LIVE
from momentry import rounds
from momentry.common.models import RoundCount
from momentry.common.turns import Tally, count
from momentry.rounds import Counting, Round, Then, Turns, go_round, is_over

PATIENCE = 20.0
MINUTE = timedelta(minutes=1)


class Told:
    """What the counting said, and a wait for something that it shall say."""

    def __init__(self) -> None:
        self.tallies: list[Tally] = []
        self.changed = threading.Condition()

    def __call__(self, tallies) -> None:
        with self.changed:
            self.tallies += tallies
            self.changed.notify_all()

    def wait(self, wanted: Callable[[Tally], bool], times: int = 1) -> bool:
        def enough() -> bool:
            return sum(map(wanted, self.tallies)) >= times

        with self.changed:
            return self.changed.wait_for(enough, PATIENCE)


@pytest.fixture
def told(monkeypatch) -> Told:
    found = Told()
    monkeypatch.setattr(rounds, "count", found)
    monkeypatch.setattr(rounds, "COUNT_SECONDS", 0.01)
    monkeypatch.setattr(rounds, "PAUSE_SECONDS", 0.01)
    return found


def play(*some: Round, until: Callable[[], bool]) -> None:
    async def listen(_: object) -> None:
        await asyncio.Event().wait()

    async def work() -> None:
        stop = asyncio.Event()
        going = asyncio.create_task(go_round(some, stop, listen))
        try:
            assert await asyncio.to_thread(until)
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await going

    asyncio.run(work())


def test_long_work_tells_that_it_comes_on(told):
    """Letter after letter: of one turn, which has not ended."""

    def letters() -> None:
        while not is_over():
            rounds.over.wait(0.005)

    play(Round("mail", letters), until=lambda: told.wait(lambda tally: tally.came_on, 3))

    assert {tally.turns for tally in told.tallies} == {0}


def test_asynchronous_work_that_lasts_tells_it_too(told):
    async def deliver() -> None:
        while not is_over():
            await asyncio.to_thread(rounds.over.wait, 0.005)

    play(Round("webhooks", deliver), until=lambda: told.wait(lambda tally: tally.came_on, 3))


@pytest.mark.parametrize("steps", [0, 1])
def test_work_that_hangs_does_not(told: Told, steps: int) -> None:
    """Neither before its first step nor in the middle; that it is there is told all the same."""
    over = threading.Event()

    def hang() -> None:
        for _ in range(steps + 1):
            is_over()
        over.wait(PATIENCE)

    def enough() -> bool:
        return told.wait(lambda tally: tally.name == "mail", 8)

    def until() -> bool:
        found = enough()
        over.set()
        return found

    play(Round("mail", hang), until=until)

    assert sum(tally.came_on for tally in told.tallies) == steps


def test_work_that_fails_at_its_first_step_has_not_come_on(told):
    def fail() -> None:
        is_over()
        raise OSError("away")

    play(Round("mail", fail, 0.01), until=lambda: told.wait(lambda tally: tally.failures > 0, 3))

    assert not any(tally.came_on for tally in told.tallies)


def test_a_round_that_is_done_is_told_no_more(told):
    play(
        Round("once", lambda: Then.DONE),
        Round("other", lambda: None, 0.01),
        until=lambda: told.wait(lambda tally: tally.name == "other" and tally.turns > 0, 5),
    )

    assert sum(tally.turns for tally in told.tallies if tally.name == "once") == 0
    assert told.tallies[-1].name == "other"


def test_what_could_not_be_told_is_told_later(monkeypatch):
    each = Turns(Round("mail", lambda: None), asyncio.Event())
    counting, told = Counting([each]), Told()
    each.tally = Tally("mail", 3, 1, 0.5)
    each.steps = 2

    def fail(_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(rounds, "count", fail)
    with pytest.raises(OSError, match="away"):
        asyncio.run(counting.tell())
    monkeypatch.setattr(rounds, "count", told)
    each.add(0.5, failures=0)
    for _ in range(2):
        asyncio.run(counting.tell())

    assert told.tallies == [Tally("mail", 4, 1, 1.0, came_on=True), Tally("mail", 0, 0, 0.0)]


def turned() -> dict[str, object]:
    return dict(RoundCount.objects.values_list("name", "turned_at"))


def shown() -> set[str]:
    """Rounds that /metrics tells of."""
    with connection.cursor() as cursor:
        cursor.execute(LIVE)
        return {label for name, label, _ in cursor.fetchall() if name.startswith("round_")}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tally", "is_well"),
    [
        (Tally("mail", 1, 0, 0.1), True),
        (Tally("mail", 2, 1, 0.1), True),
        (Tally("mail", 1, 1, 0.1), False),
        (Tally("mail", 0, 0, 0.0), False),
        (Tally("mail", 0, 0, 0.0, came_on=True), True),
    ],
)
def test_when_a_round_last_came_on_is_kept(tally, is_well):
    long_ago = timezone.now() - 60 * MINUTE
    RoundCount.objects.create(name="mail", turned_at=long_ago)

    count([tally])

    assert (turned()["mail"] != long_ago) is is_well


@pytest.mark.django_db
def test_a_round_that_no_relay_has_any_more_is_not_told():
    """One that hangs is: its relay still names it."""
    count(Tally(name, 1, 0, 0.1) for name in ("mail", "hangs", "removed", "beat"))
    ago = timezone.now() - 5 * MINUTE
    RoundCount.objects.exclude(name="mail").update(turned_at=ago)
    RoundCount.objects.filter(name__in=["removed", "beat"]).update(named_at=ago)

    count([Tally("mail", 1, 0, 0.1), Tally("hangs", 0, 0, 0.0)])

    assert shown() == {"mail", "hangs", "beat"}


@pytest.mark.django_db
def test_all_rounds_of_a_relay_that_stopped_are_told():
    count(Tally(name, 1, 0, 0.1) for name in ("mail", "sealer", "beat"))
    RoundCount.objects.exclude(name="beat").update(named_at=timezone.now() - timedelta(days=9))

    assert shown() == {"mail", "sealer", "beat"}
