"""Calendar periods in one time zone, from an instant of the database's clock. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

NAMES: Final = {"day": "daily", "month": "monthly", "lifetime": "lifetime"}  # to clients
PREFIXES: Final = {"requests": "", "tokens": "tokens-", "cost_micro": "cost-"}
LIMIT_NAMES: Final = {  # of a counter's metric and period
    (metric, period): prefix + name
    for metric, prefix in PREFIXES.items()
    for period, name in NAMES.items()
}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)  # where every lifetime's one row begins


def limit_name(subject: str, metric: str, period: str) -> str:
    """To clients: a key's own limits are told from its member's."""
    name = LIMIT_NAMES[metric, period]
    return name if subject.startswith("member:") else f"key-{name}"


class Period(NamedTuple):
    """``end`` None: it has none."""

    start: datetime
    end: datetime | None


def period_at(name: str, now: datetime, zone: ZoneInfo) -> Period:
    """The day or calendar month that ``now`` lies in, between local midnights; or a lifetime."""
    if name == "lifetime":
        return Period(EPOCH, None)
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if name == "day":
        return Period(midnight, midnight + timedelta(days=1))
    first = midnight.replace(day=1)
    return Period(first, (first + timedelta(days=32)).replace(day=1))
