"""What hours of keys are judged against: the key's own past, where that is worth reading."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apikeys.anomalies.rules import Hour, Networks
from apikeys.anomalies.settings import Rule, Thresholds
from apikeys.models import Anomaly, KeyHour
from apikeys.usage.spans import DAY, HOUR

# Of these keys those that came from so many new networks, beside the new ones of the days before.
NEW_NETWORKS: Final = """
WITH fresh AS (
    SELECT key_id, count(*) AS new FROM apikeys_keynetwork
     WHERE first_seen >= %(hour)s AND first_seen < %(end)s AND key_id = ANY(%(keys)s)
     GROUP BY key_id HAVING count(*) >= %(floor)s
)
SELECT fresh.key_id, fresh.new, min(known.first_seen),
       count(*) FILTER (WHERE known.first_seen >= %(before)s AND known.first_seen < %(hour)s)
  FROM fresh JOIN apikeys_keynetwork known USING (key_id)
 GROUP BY fresh.key_id, fresh.new
"""
# Of these keys those whose answered calls or cost are so many times what half of their past is
# below: only then they can be above the median as far as rules.above asks for. Most of the busy
# ones are as always, and to have Python read a past costs a millisecond; nothing is sorted here.
FAR_ABOVE: Final = """
SELECT key_id FROM apikeys_keyhour due
 WHERE hour = %(hour)s AND key_id = ANY(%(keys)s) AND EXISTS (
    SELECT FROM apikeys_keyhour past
     WHERE past.key_id = due.key_id AND past.hour >= %(start)s AND past.hour < %(hour)s
    HAVING 2 * count(*) FILTER (
               WHERE greatest(past.requests - past.refused, past.failures) * %(factor)s::float8
                   < greatest(due.requests - due.refused, due.failures)) >= count(*)
        OR 2 * count(*) FILTER (WHERE past.cost_micro * %(factor)s::float8 < due.cost_micro
                                      AND due.cost_micro > %(cost_floor)s) >= count(*))
"""
FIGURES: Final = ("hour", "requests", "failures", "cost_micro", "refused")


def hour_of_row(row: KeyHour) -> Hour:
    return Hour(row.hour, row.requests, row.failures, row.cost_micro, row.refused)


def noted_in(hour: datetime, keys: Sequence[UUID]) -> dict[UUID, set[Rule]]:
    noted: dict[UUID, set[Rule]] = defaultdict(set)
    rows = Anomaly.objects.filter(hour=hour, key_id__in=keys).order_by()
    for key_id, rule in rows.values_list("key_id", "rule"):
        noted[key_id].add(Rule(rule))
    return noted


def networks_of(hour: datetime, keys: Sequence[UUID], limits: Thresholds) -> dict[UUID, Networks]:
    rows = fetch(
        NEW_NETWORKS,
        keys=keys,
        hour=hour,
        end=hour + HOUR,
        before=hour - limits.network_days * DAY,
        floor=limits.network_floor,
    )
    return {
        key_id: Networks(new, (hour - first) / DAY, before) for key_id, new, first, before in rows
    }


def past_of(
    hour: datetime, wanted: dict[UUID, set[Rule]], limits: Thresholds
) -> dict[UUID, list[Hour]]:
    """Empty of keys whose ``wanted`` rules would say nothing whatever it is."""
    start = hour - limits.history_days * DAY
    failing = {key_id for key_id, asked in wanted.items() if Rule.FAILURES in asked}
    busy = [key_id for key_id, asked in wanted.items() if asked & {Rule.RATE, Rule.COST}]
    keys = failing.union(far_above(hour, busy, start, limits))
    past: dict[UUID, list[Hour]] = defaultdict(list)
    rows = KeyHour.objects.filter(key_id__in=keys, hour__gte=start, hour__lt=hour)
    for key_id, *figures in rows.values_list("key_id", *FIGURES) if keys else ():
        past[key_id].append(Hour(*figures))
    return past


def far_above(
    hour: datetime, keys: Sequence[UUID], start: datetime, limits: Thresholds
) -> Iterable[UUID]:
    if not keys:
        return ()
    given = {"factor": limits.factor, "cost_floor": limits.cost_floor}
    rows = fetch(FAR_ABOVE, hour=hour, keys=keys, start=start, **given)
    return (key_id for (key_id,) in rows)


def fetch(statement: str, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[Any] = cursor.fetchall()
        return rows
