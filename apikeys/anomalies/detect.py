"""One run over all keys: sum what happened, judge the hours that changed, record what is unusual.

Only keys that reach a floor in an hour are looked at, each by its own rows of the hourly sums.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from apikeys.anomalies import rules
from apikeys.anomalies.gather import Gathered, forget, gather
from apikeys.anomalies.rules import Hour, Networks
from apikeys.anomalies.settings import MICRO, Rule, Thresholds
from apikeys.models import Anomaly, ApiKey, KeyHour
from apikeys.services.life import quarantine_key
from apikeys.usage.spans import DAY, HOUR
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

logger = logging.getLogger(__name__)

KEYS_AT_ONCE: Final = 500
KEPT: Final = timedelta(days=400)
FIGURES: Final = ("value", "usual", "threshold")
BATCH: Final = 10_000
# Keys that came from so many new networks, beside the new ones of the days before.
NEW_NETWORKS: Final = """
WITH fresh AS (
    SELECT key_id, count(*) AS new FROM apikeys_keynetwork
     WHERE first_seen >= %(hour)s AND first_seen < %(end)s
     GROUP BY key_id HAVING count(*) >= %(floor)s
)
SELECT fresh.key_id, fresh.new, min(known.first_seen),
       count(*) FILTER (WHERE known.first_seen >= %(before)s AND known.first_seen < %(hour)s)
  FROM fresh JOIN apikeys_keynetwork known USING (key_id)
 GROUP BY fresh.key_id, fresh.new
"""


def detect(now: datetime, *, actor: str) -> int:
    """How many anomalies were found. Safe twice and at once: a second run waits for the first."""
    limits: Thresholds = settings.ANOMALIES
    with transaction.atomic():
        gathered = gather(now, limits.history_days * DAY)
        found = sum(judge_hour(hour, limits, actor) for hour in hours_of(gathered))
    forget(now, limits.history_days * DAY)
    old = Anomaly.objects.filter(found_at__lt=now - KEPT)
    Anomaly.objects.filter(pk__in=old.values("pk")[:BATCH]).delete()
    return found


def hours_of(gathered: Gathered) -> Iterator[datetime]:
    hour = gathered.first
    while hour <= gathered.last:
        yield hour
        hour += HOUR


def judge_hour(hour: datetime, limits: Thresholds, actor: str) -> int:
    networks = networks_of(hour, limits)
    reached = (
        Q(requests__gt=limits.rate_floor)
        | Q(cost_micro__gt=limits.cost_floor)
        | Q(failures__gte=limits.failure_floor)
        | Q(key_id__in=networks)
    )
    rows = KeyHour.objects.filter(reached, hour=hour).order_by("key_id")
    keys = {row.key_id: hour_of_row(row) for row in rows.iterator()}
    found = 0
    for ids in parts(sorted(keys)):
        past = past_of(ids, hour, limits)
        for key_id in ids:
            verdicts = rules.judge(keys[key_id], past[key_id], networks.get(key_id), limits)
            found += sum(note(key_id, hour, verdict, limits, actor) for verdict in verdicts)
    return found


def parts(ids: list[UUID]) -> Iterator[list[UUID]]:
    for begin in range(0, len(ids), KEYS_AT_ONCE):
        yield ids[begin : begin + KEYS_AT_ONCE]


def past_of(ids: Sequence[UUID], hour: datetime, limits: Thresholds) -> dict[UUID, list[Hour]]:
    past: dict[UUID, list[Hour]] = defaultdict(list)
    start = hour - limits.history_days * DAY
    for row in KeyHour.objects.filter(key_id__in=ids, hour__gte=start, hour__lt=hour).iterator():
        past[row.key_id].append(hour_of_row(row))
    return past


def hour_of_row(row: KeyHour) -> Hour:
    return Hour(row.hour, row.requests, row.failures, row.cost_micro, row.refused)


def networks_of(hour: datetime, limits: Thresholds) -> dict[UUID, Networks]:
    values: dict[str, Any] = {
        "hour": hour,
        "end": hour + HOUR,
        "before": hour - limits.network_days * DAY,
        "floor": limits.network_floor,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEW_NETWORKS, values)
        rows = cursor.fetchall()
    return {
        key_id: Networks(new, (hour - first) / DAY, before) for key_id, new, first, before in rows
    }


def note(
    key_id: UUID, hour: datetime, found: rules.Anomaly, limits: Thresholds, actor: str
) -> bool:
    """False when it was noted before, or the key has ended: whoever tries it goes without."""
    key = ApiKey.objects.defer("digest", "metadata").filter(pk=key_id).first()
    if key is None or key.has_ended(timezone.now()):
        return False
    unit = MICRO if found.rule is Rule.COST else 1
    figures = {name: round(getattr(found, name) / unit, 6) for name in FIGURES}
    rule = found.rule.value
    row, is_new = Anomaly.objects.get_or_create(key=key, rule=rule, hour=hour, defaults=figures)
    if not is_new:
        return False
    subject = f"key:{key_id.hex}"
    record(
        Kind.ANOMALY_DETECTED,
        actor=actor,
        subject=subject,
        rule=rule,
        hour=hour,
        **figures,
    )
    if found.rule in limits.quarantine and quarantine(key, rule, actor):
        row.quarantined = True
        row.save(update_fields=["quarantined"])
    return True


def quarantine(key: ApiKey, rule: str, actor: str) -> bool:
    try:
        return quarantine_key(key, actor=actor, reason=f"anomaly: {rule}")
    except MomentryError:  # it was revoked
        return False
