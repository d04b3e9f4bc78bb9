"""Calendar periods in one time zone, from an instant of the database's clock. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Period(NamedTuple):
    start: datetime
    end: datetime


def period_at(name: str, now: datetime, zone: ZoneInfo) -> Period:
    """The day or calendar month that ``now`` lies in; bounds are local midnights."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if name == "day":
        return Period(midnight, midnight + timedelta(days=1))
    first = midnight.replace(day=1)
    return Period(first, (first + timedelta(days=32)).replace(day=1))
