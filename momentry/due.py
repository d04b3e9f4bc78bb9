"""Which time of its schedule a run is for. Pure: every beat finds the same, whenever it began."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from celery.schedules import crontab, schedule
from django_celery_beat.clockedschedule import clocked

DAYS: Final = 8 * 366 + 1  # the 29th of February comes again in eight years, or in four


def slot(times: Any, at: datetime) -> datetime | None:
    """The latest time of the schedule that is not after ``at``. An interval counts from 1970. None
    for schedules whose times cannot be named: solar ones."""
    if isinstance(times, crontab):
        return latest(times, at)
    if isinstance(times, clocked):
        return times.clocked_time  # type: ignore[no-any-return]  # untyped package
    if isinstance(times, schedule):
        period: timedelta = times.run_every  # type: ignore[attr-defined]  # its stubs lack it
        return floor(at, period)
    return None


def floor(at: datetime, period: timedelta) -> datetime | None:
    epoch = datetime.fromtimestamp(0, UTC)
    return at - (at - epoch) % period if period else None


def latest(times: Any, at: datetime) -> datetime | None:
    """In the schedule's own time zone. An hour that comes twice is told apart by its ``fold``."""
    local = at.astimezone(getattr(times, "tz", UTC))
    for back in range(DAYS):
        day = local.date() - timedelta(days=back)
        if not is_day(times, day):
            continue
        end = (local.hour, local.minute) if not back else (23, 59)
        found = [(h, m) for h in times.hour for m in times.minute if (h, m) <= end]
        if found:
            moment = time(*max(found), fold=local.fold)
            return datetime.combine(day, moment, tzinfo=local.tzinfo).astimezone(UTC)
    return None


def is_day(times: Any, day: date) -> bool:
    return (
        day.month in times.month_of_year
        and day.day in times.day_of_month
        and day.isoweekday() % 7 in times.day_of_week
    )


def following(times: Any, last: datetime, now: datetime) -> datetime | None:
    """When beat sends the next run; ``last``: when it sent one. None for never."""
    if isinstance(times, clocked):
        return times.clocked_time if times.clocked_time > now else None
    if not isinstance(times, (crontab, schedule)):
        return None
    since = now if isinstance(times, crontab) else last
    left: timedelta = times.remaining_estimate(since.astimezone(getattr(times, "tz", UTC)))
    due = max(now + left, now)
    if isinstance(times, crontab):  # some microseconds passed since ``now``
        return floor(due + timedelta(seconds=30), timedelta(minutes=1))
    return due
