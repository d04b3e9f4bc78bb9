"""Retention: exactly the days that are due go, rolled up before, and nobody waits (LOG-06)."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from apikeys.models import LogBatch
from apikeys.usage import purge as purging
from apikeys.usage.purge import purge
from apikeys.usage.rollup import roll_up_all
from momentry.supervisor.places import ROOT
from tests.apikeys.log_copier import Copied
from tests.apikeys.logs import (
    DAY,
    HOUR,
    NOON,
    call,
    day,
    log,
    logged,
    rolled,
    table,
    tables,
    ten_days,
    told,
)
from tests.gateway.conftest import Database

pytestmark = pytest.mark.usefixtures("own_rows")


def all_rolled_up(expected: Any) -> None:
    """Of the days that went and, when today is over, of those that are left."""
    roll_up_all(day(0) + DAY + HOUR)
    assert rolled("hourly") == expected
    assert rolled("daily") == expected


def test_exactly_what_is_due_goes(log_house: Database) -> None:
    ten_days()
    before = logged()

    gone = purge(day(0) + NOON, 3)

    assert tables(log_house) == [table(number) for number in (3, 2, 1, 0)]
    assert gone == 14
    all_rolled_up(before)


@pytest.mark.parametrize(("moment", "left"), [(timedelta(0), 3), (-timedelta(microseconds=1), 4)])
def test_a_day_is_due_when_all_of_it_is_old_enough(
    moment: timedelta, left: int, log_house: Database
) -> None:
    ten_days()

    purge(day(0) + moment, 3)

    assert len(tables(log_house)) == left + 1
    assert tables(log_house)[0] == table(left)


def test_again_finds_nothing() -> None:
    ten_days()
    purge(day(0), 3)
    before = rolled("hourly")

    assert purge(day(0), 3) == 0
    assert rolled("hourly") == before


def test_two_at_once_drop_each_day_once(log_house: Database) -> None:
    ten_days()
    before, gone = logged(), []

    def run() -> None:
        try:
            gone.append(purge(day(0), 3))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(gone) == [0, 0, 14]
    all_rolled_up(before)


def test_rows_that_came_late_for_a_day_that_goes_are_rolled_up_first() -> None:
    ten_days()
    roll_up_all(day(0))
    log(*(call(day(8) + number * HOUR) for number in range(24)))
    before = logged()

    assert purge(day(0), 3) == 14 + 24
    all_rolled_up(before)


def test_rows_that_come_after_their_day_went_are_added(log_house: Database) -> None:
    ten_days()
    before = logged()
    purge(day(0), 3)
    late = [call(day(8)), call(day(8) + NOON, status=404, total_ms=3.0)]
    log(*late)

    roll_up_all(day(0))
    gone = purge(day(0), 3)

    assert gone == 2
    assert table(8) not in tables(log_house)
    all_rolled_up(before + told(*late))


def detach_half(log_house: Database, name: str) -> None:
    """A detach that could not end: somebody read the log meanwhile."""
    with psycopg.connect(log_house.conninfo) as reader:
        reader.execute("SELECT count(*) FROM apikeys_requestlog")
        with psycopg.connect(log_house.conninfo, autocommit=True) as other:
            other.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute(
                    f"ALTER TABLE apikeys_requestlog DETACH PARTITION {name} CONCURRENTLY"
                )


def test_a_detach_that_did_not_end_is_ended_by_the_next_run(log_house: Database) -> None:
    ten_days()
    before = logged()
    roll_up_all(day(0))
    detach_half(log_house, table(9))

    gone = purge(day(0), 3)

    assert gone == 14
    assert tables(log_house)[0] == table(3)
    all_rolled_up(before)


def test_a_table_that_left_but_was_not_dropped_goes_with_the_next_run(
    log_house: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_days()
    before = logged()

    def die(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(purging, "drop", die)
    with pytest.raises(KeyboardInterrupt):
        purge(day(0), 3)
    monkeypatch.undo()
    late = call(day(10) + NOON, status=418)  # its day is not in the log, yet its name is taken
    log(late)
    roll_up_all(day(0))

    assert f"{table(10)}_1" in tables(log_house)
    assert purge(day(0), 3) == 15
    assert len(tables(log_house)) == 4
    all_rolled_up(before + told(late))


def test_a_run_that_dies_at_the_drop_counts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    ten_days()
    before, execute = logged(), purging.execute
    roll_up_all(day(0))
    log(late := call(day(9) + NOON, status=418))

    def die(statement: str, **values: Any) -> None:
        if statement.startswith("DROP"):
            raise KeyboardInterrupt
        execute(statement, **values)

    monkeypatch.setattr(purging, "execute", die)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            purge(day(0), 3)
    monkeypatch.undo()

    assert purge(day(0), 3) == 15
    all_rolled_up(before + told(late))


def test_a_reader_puts_it_off_but_stops_nobody(
    log_house: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_days()
    monkeypatch.setattr(purging, "TRIES", 1)

    with psycopg.connect(log_house.conninfo) as reader:
        reader.execute("SELECT count(*) FROM apikeys_requestlog")
        assert purge(day(0), 9) == 0
        log(call(day(0) + HOUR))

    assert purge(day(0), 9) == 2


@contextmanager
def copier(house: Database) -> Iterator[Callable[[], Copied]]:
    """Commits a COPY of today every few milliseconds until it is asked what it did."""
    command = [sys.executable, "-m", "tests.apikeys.log_copier", (day(0) + HOUR).isoformat()]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "DATABASE_URL": house.url},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

        def stop() -> Copied:
            rows, slowest = process.communicate()[0].split()
            return Copied(int(rows), float(slowest))

        try:
            yield stop
        finally:
            process.kill()


def test_copies_go_on_during_the_purge(log_house: Database) -> None:
    ten_days()
    for number in range(20, 24):
        log(*(call(day(number) + index * HOUR) for index in range(24)))

    with copier(log_house) as one, copier(log_house) as other:
        gone = purge(day(0) + NOON, 3)
        copied = (one(), other())

    assert gone == 14 + 4 * 24
    assert all(copies.rows > 250 for copies in copied)
    assert max(copies.slowest for copies in copied) < 0.5


def test_the_command_says_what_went_and_what_would_go(
    log_house: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    ten_days()

    call_command("purge_request_logs", "--days", "9", "--dry-run")
    call_command("purge_request_logs", "--days", "9")
    call_command("purge_request_logs", "--days", "9")

    dates = f"{day(10):%Y-%m-%d} 2"
    assert capsys.readouterr().out.splitlines() == [
        dates, "Would clean up 2 old request logs", "Cleaned up 2 old request logs",
        "Cleaned up 0 old request logs",
    ]  # fmt: skip
    assert tables(log_house)[0] == table(9)


@pytest.mark.parametrize("days", ["0", "-1", "x", "3651", "9" * 99])
def test_odd_days_are_refused(days: str) -> None:
    with pytest.raises(CommandError):
        call_command("purge_request_logs", f"--days={days}")


def test_batches_go_when_no_process_can_try_them_again() -> None:
    now = day(0) + NOON
    for seq, age in enumerate((0, 6, 8, 90)):
        LogBatch.objects.create(process="p", seq=seq, rows=1, created_at=now - age * DAY)

    purge(now, 90)

    assert sorted(LogBatch.objects.values_list("seq", flat=True)) == [0, 1]


def test_a_week_of_tables_is_made_ahead(
    log_house: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        call_command("make_log_partitions")

    assert tables(log_house) == [table(-number) for number in range(8)]
    out = capsys.readouterr().out
    assert out == "Made 8 log partitions.\nMade 0 log partitions.\n"
