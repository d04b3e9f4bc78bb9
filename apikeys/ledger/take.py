"""Taking units from counters, between the gate's effects and the ledger's statements. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from apikeys.gate.effects import Take, Taken, TakeStored
from apikeys.gate.periods import Period, limit_name, period_at
from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Charge, Limit

Row = tuple[Any, ...]
Parameters = dict[str, Any]

RECALL_SECONDS: Final = 0.25  # how long a request waits for units that are called back
FIRST_PAUSE: Final = 0.004  # between two askings; then twice as long each time
LONGEST_PAUSE: Final = 0.032


def parameters(take: Take | TakeStored, zone: ZoneInfo) -> Parameters:
    """What sql.TAKE and sql.OPEN are sent by who holds no lease."""
    periods = [period_at(quota.period, take.now, zone) for quota in take.quotas]
    return {
        "process": "",
        "subjects": [quota.subject for quota in take.quotas],
        "metrics": [quota.metric for quota in take.quotas],
        "periods": [quota.period for quota in take.quotas],
        "starts": [period.start for period in periods],
        "limits": [quota.limit for quota in take.quotas],
        "needs": list(take.needs),
    }


def give_back_parameters(charges: Sequence[Charge]) -> Parameters:
    return {
        "subjects": [charge.subject for charge in charges],
        "metrics": [charge.metric for charge in charges],
        "periods": [charge.period for charge in charges],
        "starts": [charge.period_start for charge in charges],
        "units": [charge.units for charge in charges],
    }


def summed(charges: Iterable[Charge]) -> list[Charge]:
    """One for each counter: sql.GIVE_BACK changes a row once."""
    units: defaultdict[tuple[str, str, str, datetime], int] = defaultdict(int)
    for charge in charges:
        units[charge[:4]] += charge.units
    return [Charge(*place, total) for place, total in units.items() if total]


def is_recalled(rows: list[Row]) -> bool:
    """Short, but others hold units, which were called back: worth asking again soon."""
    return bool(rows) and bool(rows[0][5])


def taken(take: Take | TakeStored, rows: list[Row], zone: ZoneInfo) -> Taken | None:
    """What sql.TAKE's rows mean; None when counters are missing and must be opened first."""
    if not rows:
        return None
    found = {row[:3]: row for row in rows}
    enough = rows[0][4]
    limits, charges = [], []
    for quota, need in zip(take.quotas, take.needs, strict=True):
        *_, used, _, _, unspent = found[quota[:3]]
        period = period_at(quota.period, take.now, zone)
        left = quota.limit - used - need + unspent if enough else quota.limit - used
        limits.append(limit_of(quota, period, left))
        if need:
            charges.append(Charge(*quota[:3], period.start, need))
    if not enough:
        return Taken((), tuple(limits), scarcest(limits, take.needs))
    return Taken(tuple(charges), tuple(limits), None)


def limit_of(quota: Quota, period: Period, left: int) -> Limit:
    seconds = window_of(period)
    return Limit(name_of(quota), quota.metric, quota.limit, max(0, left), period.end, seconds)


def name_of(quota: Quota) -> str:
    return limit_name(*quota[:3])


def window_of(period: Period) -> int:
    """Seconds; 0 for a period without an end."""
    return int(period.end.timestamp() - period.start.timestamp()) if period.end else 0


def scarcest(limits: Sequence[Limit], needs: Sequence[int]) -> Limit:
    """Of the limits that refuse, the one that resets last or never: earlier no retry succeeds."""
    pairs = zip(limits, needs, strict=True)
    short = [limit for limit, need in pairs if limit.remaining < need]
    return max(short or limits, key=lambda limit: limit.resets)
