"""Hours and days of UTC, and which source tells each part of a span of time. Pure."""

from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
LOG: Final = "log"
HOURLY: Final = "hourly"
DAILY: Final = "daily"


class Part(NamedTuple):
    """From ``start`` up to, not including, ``end``."""

    source: str
    start: datetime
    end: datetime


def hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(at: datetime) -> datetime:
    return hour_of(at).replace(hour=0)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def parts(start: datetime, end: datetime, mark: datetime, *, by_hour: bool = False) -> list[Part]:
    """The span without gap or overlap: whole days, hours, and from ``mark`` on the log itself.

    All are on whole hours. ``by_hour``: days would not be fine enough.
    """
    rolled = max(start, min(end, mark))
    first = day_of(start + DAY - timedelta(microseconds=1))  # the first midnight from start on
    last = day_of(rolled)
    if by_hour or first >= last:
        found = [Part(HOURLY, start, rolled)]
    else:
        found = [Part(HOURLY, start, first), Part(DAILY, first, last), Part(HOURLY, last, rolled)]
    return [part for part in (*found, Part(LOG, rolled, end)) if part.start < part.end]
