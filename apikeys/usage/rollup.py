"""The request log summed by hour and day, each call exactly once, run twice or twice at once.

An hour is rolled up by replacing its rows in one transaction that holds the mark's lock; doing it
again gives the same. Rows that come late are found by counting, and their hour is done again.
"""

from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from apikeys.gate.periods import EPOCH
from apikeys.models import LoggedDay, UsageMark
from apikeys.requestlog.row import TABLE as LOG
from apikeys.usage import facts
from apikeys.usage.partitions import attached_days, day_tables
from apikeys.usage.spans import DAY, HOUR, day_of, hour_of, midnight

SETTLE: Final = timedelta(minutes=10)  # an hour is rolled up this long after its end
RECENT: Final = timedelta(hours=3)  # so far back each run looks for rows that came late
NEXT: Final = f"SELECT ts FROM {LOG} WHERE ts >= %(start)s AND ts < %(end)s ORDER BY ts LIMIT 1"  # noqa: S608  our name


def roll_up(now: datetime) -> int:
    """Every hour that ended SETTLE ago, and recent ones that got more rows; how many hours."""
    closing = hour_of(now - SETTLE)
    done = 0
    while roll_next(closing):
        done += 1
    return done + catch_up(closing - RECENT, closing)


def roll_up_all(now: datetime) -> int:
    """Also every older hour that got more rows since its day was last looked at."""
    done = roll_up(now)
    mark = read_mark()
    for day, inserts in attached_days():
        start = midnight(day)
        if start + DAY <= mark and is_changed(day, inserts):
            done += catch_up(start, start + DAY)
            LoggedDay.objects.update_or_create(day=day, defaults={"inserts": inserts})
    return done


@transaction.atomic
def roll_next(closing: datetime) -> bool:
    """The first hour after the mark that has rows. False when there is none before ``closing``."""
    mark = lock_mark()
    found = fetch(NEXT, start=mark, end=closing) if mark < closing else []
    if not found:
        move_mark(mark, max(mark, closing))
        return False
    hour = hour_of(found[0][0])
    replace_hour(hour)
    move_mark(mark, hour + HOUR)
    return True


def catch_up(start: datetime, end: datetime) -> int:
    """Do again the rolled hours of a span that have more rows in the log by now."""
    end = min(end, read_mark())
    if start >= end:
        return 0
    hours = [row[0] for row in fetch(facts.behind(), start=start, end=end)]
    return sum(redo_hour(hour) for hour in hours)


@transaction.atomic
def redo_hour(hour: datetime) -> bool:
    mark = lock_mark()
    if hour >= mark or is_going(hour.date()) or not replace_hour(hour):
        return False
    rebuild_day(hour, mark)
    return True


def is_going(day: date) -> bool:
    """Its table left the log, or was dropped: what the log has of it since comes on top, when the
    purge takes that too."""
    if LoggedDay.objects.filter(day=day, purged_at__isnull=False).exists():
        return True
    return any(not table.attached or table.leaving for table in day_tables() if table.day == day)


def replace_hour(hour: datetime, table: str = LOG) -> bool:
    """False, and nothing is changed, when the table has no more rows than were rolled up: then they
    are the same, or its rows are being taken out of the log just now."""
    span = {"start": hour, "end": hour + HOUR}
    with transaction.atomic():
        ((before,),) = fetch(facts.ROLLED, **span)
        execute(facts.DELETE_HOUR, **span)
        execute(facts.insert_hours(table), **span)
        ((after,),) = fetch(facts.ROLLED, **span)
        if after <= before:
            transaction.set_rollback(True)
        return bool(after > before)


def rebuild_day(at: datetime, mark: datetime) -> None:
    """The day's own sums, once all its hours are before the mark."""
    start = day_of(at)
    if start + DAY <= mark:
        execute(facts.DELETE_DAY, start=start)
        execute(facts.INSERT_DAY, start=start, end=start + DAY)


def lock_mark() -> datetime:
    """Until the transaction ends nobody else rolls up."""
    UsageMark.objects.bulk_create([UsageMark(rolled_until=EPOCH)], ignore_conflicts=True)
    return UsageMark.objects.select_for_update().get().rolled_until


def read_mark() -> datetime:
    """Hours before it are read from the roll-up."""
    found = UsageMark.objects.first()
    return found.rolled_until if found else EPOCH


def move_mark(old: datetime, new: datetime) -> None:
    if new > old:
        UsageMark.objects.update(rolled_until=new)
        for start in {day_of(old), day_of(new - HOUR)}:
            rebuild_day(start, new)


def is_changed(day: date, inserts: int) -> bool:
    known = LoggedDay.objects.filter(day=day).first()
    return known is None or (known.purged_at is None and known.inserts != inserts)


def fetch(statement: str, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[Any] = cursor.fetchall()
        return rows


def execute(statement: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
