"""Taking units from counters, between the gate's effects and the ledger's statements. Pure."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from apikeys.gate.effects import Take, Taken
from apikeys.gate.periods import period_at
from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Charge, Limit

Row = tuple[Any, ...]
Parameters = dict[str, Any]

NAMES: Final = {"day": "daily", "month": "monthly"}


def parameters(effect: Take, zone: ZoneInfo) -> Parameters:
    """What TAKE and OPEN are sent."""
    periods = [period_at(quota.period, effect.now, zone) for quota in effect.quotas]
    return {
        "subjects": [quota.subject for quota in effect.quotas],
        "metrics": [quota.metric for quota in effect.quotas],
        "periods": [quota.period for quota in effect.quotas],
        "starts": [period.start for period in periods],
        "limits": [quota.limit for quota in effect.quotas],
        "units": effect.units,
    }


def give_back_parameters(charges: tuple[Charge, ...]) -> Parameters:
    return {
        "subjects": [charge.subject for charge in charges],
        "metrics": [charge.metric for charge in charges],
        "periods": [charge.period for charge in charges],
        "starts": [charge.period_start for charge in charges],
        "units": [charge.units for charge in charges],
    }


def taken(effect: Take, rows: list[Row], zone: ZoneInfo) -> Taken | None:
    """What TAKE's rows mean; None when counters are missing and must be opened first."""
    if not rows:
        return None
    used = {(row[0], row[1], row[2]): row[3] for row in rows}
    enough = rows[0][4]
    limits = tuple(
        limit_of(quota, used[quota[:3]] + (effect.units if enough else 0), effect, zone)
        for quota in effect.quotas
    )
    if not enough:
        return Taken((), limits, scarcest(limits, effect.units))
    charges = tuple(charge_of(quota, effect, zone) for quota in effect.quotas)
    return Taken(charges if effect.units else (), limits, None)


def limit_of(quota: Quota, used: int, effect: Take, zone: ZoneInfo) -> Limit:
    period = period_at(quota.period, effect.now, zone)
    owner = quota.subject.partition(":")[0]
    name = NAMES[quota.period] if owner == "member" else f"key-{NAMES[quota.period]}"
    window = int(period.end.timestamp() - period.start.timestamp())
    remaining = max(0, quota.limit - used)
    return Limit(name, quota.metric, quota.limit, remaining, period.end, window)


def charge_of(quota: Quota, effect: Take, zone: ZoneInfo) -> Charge:
    start = period_at(quota.period, effect.now, zone).start
    return Charge(quota.subject, quota.metric, quota.period, start, effect.units)


def scarcest(limits: tuple[Limit, ...], units: int) -> Limit:
    """Of the limits that refuse, the one that resets last: earlier a retry cannot succeed."""
    short = [limit for limit in limits if limit.remaining < units]
    return max(short, key=lambda limit: limit.reset_at)
