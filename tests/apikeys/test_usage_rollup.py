"""The roll-up counts every call exactly once: late, twice, at once, and after its log is gone."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, connections

from apikeys.models import DailyUsage, HourlyUsage, UsageMark
from apikeys.usage import rollup
from apikeys.usage.rollup import roll_up, roll_up_all
from tests.apikeys.logs import ALICE, BOB, DAY, HOUR, call, day, log, logged, rolled
from tests.gateway.conftest import Database

pytestmark = pytest.mark.usefixtures("own_rows")


def some(start: datetime) -> None:
    """Calls of all kinds: every measure, every dimension, on both ends of an hour and a day."""
    log(
        call(start, member_id=ALICE, key_id=ALICE, operation="api/v1/me", total_ms=1.5),
        call(start + HOUR - timedelta(microseconds=1), member_id=ALICE, status=404, total_ms=0.25),
        call(start + HOUR, member_id=BOB, upstream="llm", target="http://a", model="m", tokens_in=3,
             tokens_out=4, tokens_cached=1, tokens_reasoning=2, cost_micro=17, bytes_in=5,
             bytes_out=6),
        call(start + 5 * HOUR, status=502, upstream="whatever", total_ms=1000.0),
        call(start + DAY - timedelta(microseconds=1), status=302),
        call(start + DAY, status=101, member_id=BOB),
    )  # fmt: skip


def agree() -> None:
    """The sums over the log, by every dimension, are those of the roll-up."""
    assert rolled("hourly") == logged()
    for place in range(6):
        assert rolled("hourly", place) == logged(place)


def test_every_sum_is_the_logs() -> None:
    some(day(5))

    roll_up(day(0))

    agree()
    assert rolled("daily") == rolled("hourly")
    assert sum(rolled("hourly").values()) > 1000


def test_only_hours_that_are_over_are_rolled_up() -> None:
    log(call(day(0) - HOUR), call(day(0) - timedelta(seconds=1)), call(day(0)))

    roll_up(day(0) + timedelta(minutes=9))
    early = HourlyUsage.objects.count()
    roll_up(day(0) + timedelta(minutes=11))

    assert early == 0
    assert [row.total_requests for row in HourlyUsage.objects.all()] == [2]
    assert UsageMark.objects.get().rolled_until == day(0)


def test_again_changes_nothing() -> None:
    some(day(3))
    roll_up_all(day(0))
    before = snapshot()

    assert (roll_up(day(0)), roll_up_all(day(0))) == (0, 0)
    assert snapshot() == before


def snapshot() -> list[object]:
    return [list(model.objects.order_by("id").values()) for model in (HourlyUsage, DailyUsage)]


def test_rows_that_come_late_are_counted_once() -> None:
    start = day(1)
    some(start - DAY)
    roll_up(start + 3 * HOUR)
    log(call(start + 2 * HOUR - timedelta(seconds=1), member_id=BOB), call(start + HOUR))

    roll_up(start + 3 * HOUR + timedelta(minutes=20))

    agree()
    roll_up(start + DAY + HOUR)
    assert rolled("daily") == logged()


def test_rows_that_come_days_late_are_counted_by_the_daily_look() -> None:
    some(day(9))
    roll_up_all(day(0))
    log(call(day(9) + 2 * HOUR, status=500), call(day(9) + 5 * HOUR, member_id=ALICE))

    assert roll_up(day(0)) == 0
    assert roll_up_all(day(0)) == 2
    agree()
    assert rolled("daily") == logged()


def test_a_clock_that_ran_ahead_loses_nothing() -> None:
    now = day(0)
    log(call(now + timedelta(minutes=1)))
    roll_up(now + 2 * HOUR)
    log(call(now + timedelta(minutes=2)))

    roll_up(now + HOUR)
    roll_up(now + 2 * HOUR + timedelta(minutes=20))

    agree()


def test_a_table_that_was_dropped_by_hand_leaves_its_sums(log_house: Database) -> None:
    some(day(6))
    roll_up_all(day(0))
    before = snapshot()
    connection.close()
    log_house.execute(f"DROP TABLE apikeys_requestlog_{day(6):%Y%m%d}")

    roll_up_all(day(0))

    assert snapshot() == before


def test_an_hour_whose_rows_are_going_keeps_its_sums(log_house: Database) -> None:
    """Between being found behind and being done again its table may have left the log."""
    some(day(6))
    roll_up_all(day(0))
    before = snapshot()
    log_house.execute("TRUNCATE apikeys_requestlog")

    assert not rollup.redo_hour(day(6))
    assert snapshot() == before


def test_an_unknown_upstream_is_no_dimension() -> None:
    """A client writes what it likes behind /proxy/: that must not become rows for ever."""
    log(*(call(day(2), status=404, upstream=f"random{number}") for number in range(20)))

    roll_up(day(0))

    (row,) = HourlyUsage.objects.all()
    assert (row.upstream, row.total_requests) == ("", 20)


def in_threads(number: int, work) -> None:
    """Each with a connection of its own."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  told below
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_at_once_counts_once() -> None:
    some(day(4))
    some(day(3))

    in_threads(4, lambda: roll_up_all(day(0)))

    agree()
    assert rolled("daily") == logged()


def test_rows_written_while_it_runs_are_counted_once() -> None:
    """Writers and roll-ups at once, on the same hours; in the end the sums are the log's."""
    start = day(1)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            log(*(call(start + (number % 4) * HOUR, total_ms=number / 7) for _ in range(5)))
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        in_threads(2, lambda: [roll_up_all(start + number * HOUR) for number in range(1, 12)])
    finally:
        stop.set()
        writer.join()
    roll_up_all(day(0) + HOUR)

    agree()
    assert rolled("daily") == logged()


def test_a_run_that_died_half_way_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    some(day(2))
    real, seen = rollup.move_mark, []

    def die(old: datetime, new: datetime) -> None:
        seen.append(new)
        if len(seen) == 2:
            raise KeyboardInterrupt
        real(old, new)

    monkeypatch.setattr(rollup, "move_mark", die)
    with pytest.raises(KeyboardInterrupt):
        roll_up(day(0))
    monkeypatch.undo()
    assert rolled("hourly") != logged()

    roll_up(day(0))

    agree()


def test_the_commands_say_what_they_did(capsys: pytest.CaptureFixture[str]) -> None:
    log(call(datetime.now(UTC) - 3 * DAY))

    call_command("roll_up_usage")
    call_command("roll_up_usage", "--all")

    assert capsys.readouterr().out == "Rolled up 1 hours.\nRolled up 0 hours.\n"
