"""Retention of the request log: whole days go, each after its calls are in the roll-up for good.

A day's table leaves the log without a writer waiting for it. Then, in one transaction, what the
roll-up lacks of it is added and the table dropped; a day that came back (rows later than the
purge) is added to what is there. A run that died is gone on with by the next.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from django.db import OperationalError, transaction

from apikeys.models import LogBatch, LoggedDay
from apikeys.usage import facts
from apikeys.usage.old_counters import purge_counters
from apikeys.usage.partitions import DayTable, day_tables, detach
from apikeys.usage.rollup import (
    execute,
    fetch,
    lock_mark,
    read_mark,
    rebuild_day,
    replace_hour,
    roll_up,
)
from apikeys.usage.spans import DAY, midnight

logger = logging.getLogger(__name__)
CLEANED: Final = "Cleaned up %d old request logs"
LOCK: Final = 0x7075726765206C67  # "purge lg" in ASCII
TRIES: Final = 20
PAUSE_SECONDS: Final = 1.0
# So long at most does whoever makes a day's table wait for us; writers never do.
LOCK_TIMEOUT: Final = "SET lock_timeout = '500ms'"
NO_LOCK_TIMEOUT: Final = "RESET lock_timeout"
BATCH_AGE: Final = timedelta(days=7)  # no process tries a COPY again that long after it
BATCHES: Final = 10_000


class Keep(Protocol):
    """Puts a table's rows away for good before it is dropped."""

    def __call__(self, table: str, /) -> None: ...


def keep_nothing(table: str, /) -> None:
    """No export was asked for."""


def due_before(now: datetime, days: int) -> date:
    """Days before this one ended at least ``days`` times 24 hours ago."""
    return (now.astimezone(UTC) - timedelta(days=days)).date()


def due_tables(now: datetime, days: int) -> list[DayTable]:
    return [table for table in day_tables() if table.day < due_before(now, days)]


def count_due(now: datetime, days: int) -> list[tuple[DayTable, int]]:
    """What a purge would drop, and how many rows of it."""
    return [(table, count(table.name)) for table in due_tables(now, days)]


def purge(now: datetime, days: int, *, keep: Keep = keep_nothing) -> int:
    """Drop the days that are due; how many rows they had. One run at a time: a second waits."""
    with one_at_a_time():
        roll_up(now)
        mark = read_mark()
        gone = 0
        for table in due_tables(now, days):
            if midnight(table.day) + DAY > mark:
                logger.error("%s is not rolled up yet and stays.", table.name)
            elif leave(table):
                keep(table.name)
                gone += drop(table)
        purge_batches(now - BATCH_AGE)
        purge_counters(now)
    return gone


def leave(table: DayTable) -> bool:
    """Take it out of the log. False when somebody uses it all the while: the next run will."""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            if try_leave(table.name):
                return True
        except OperationalError as error:
            logger.debug("%s stays for now: %s", table.name, type(error).__name__)
    logger.warning("%s is in use by a long transaction and goes with the next purge.", table.name)
    return False


def try_leave(name: str) -> bool:
    """OperationalError while it is in use. One table can leave at a time, so one that began to
    leave and could not is seen off first, whichever it is."""
    found = day_tables()
    going = [table for table in found if table.leaving]
    going += [table for table in found if table.name == name and table.attached]
    with short_waits():
        for table in going:
            detach(table)
            if table.name == name:
                break
    return any(table.name == name for table in found)


def drop(table: DayTable) -> int:
    """Its rows' number, once they are in the roll-up and the table is gone."""
    with transaction.atomic():
        mark = lock_mark()
        rows = count(table.name)
        settle(table, mark)
        execute(f"DROP TABLE {table.name}")
    return rows


def settle(table: DayTable, mark: datetime) -> None:
    """What the roll-up lacks; from now on its day only grows."""
    day = LoggedDay.objects.filter(day=table.day, purged_at__isnull=False)
    start = midnight(table.day)
    span = {"start": start, "end": start + DAY}
    if day.exists():
        execute(facts.add_hours(table.name), **span)
    else:
        for (hour,) in fetch(facts.behind(table.name), **span):
            replace_hour(hour, table.name)
    rebuild_day(start, mark)
    sealed = {"purged_at": datetime.now(UTC)}
    LoggedDay.objects.update_or_create(day=table.day, defaults=sealed)


def purge_batches(before: datetime) -> int:
    """Which COPYs came in is asked only while their process may try them again."""
    gone = 0
    while True:
        oldest = LogBatch.objects.filter(created_at__lt=before).order_by("created_at")
        number, _ = LogBatch.objects.filter(pk__in=oldest.values("pk")[:BATCHES]).delete()
        gone += number
        if number < BATCHES:
            return gone


def count(table: str) -> int:
    ((rows,),) = fetch(f"SELECT count(*) FROM {table}")  # noqa: S608  a name of the catalogue
    return int(rows)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    execute("SELECT pg_advisory_lock(%(lock)s)", lock=LOCK)
    try:
        yield
    finally:
        execute("SELECT pg_advisory_unlock(%(lock)s)", lock=LOCK)


@contextmanager
def short_waits() -> Iterator[None]:
    execute(LOCK_TIMEOUT)
    try:
        yield
    finally:
        execute(NO_LOCK_TIMEOUT)
