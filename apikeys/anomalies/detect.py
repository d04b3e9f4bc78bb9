"""One run over all keys: sum what happened, judge the hours that changed, record what is unusual.

Only keys that reach a floor in an hour and did something since they were judged last are looked
at, some of them at a time.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apikeys.anomalies import rules
from apikeys.anomalies.gather import forget, gather
from apikeys.anomalies.pasts import hour_of_row, networks_of, noted_in, past_of
from apikeys.anomalies.rules import Hour
from apikeys.anomalies.settings import MICRO, Rule, Thresholds
from apikeys.models import Anomaly, ApiKey, KeyHour
from apikeys.services.life import quarantine_key
from apikeys.usage.spans import DAY
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

KEYS_AT_ONCE: Final = 200  # judged in one transaction
KEPT: Final = timedelta(days=400)
FIGURES: Final = ("value", "usual", "threshold")
BATCH: Final = 10_000


def detect(now: datetime, *, actor: str) -> int:
    """How many anomalies were found. Safe twice, at once, and where a run breaks off: what is due
    stays so until it was judged, and is judged by one."""
    limits: Thresholds = settings.ANOMALIES
    with transaction.atomic():
        first = gather(now, limits)
    found = 0
    while (more := judge_some(first, now, limits, actor)) is not None:
        found += more
    forget(now, limits.history_days * DAY)
    old = Anomaly.objects.filter(found_at__lt=now - KEPT)
    Anomaly.objects.filter(pk__in=old.values("pk")[:BATCH]).delete()
    return found


@transaction.atomic
def judge_some(first: datetime, now: datetime, limits: Thresholds, actor: str) -> int | None:
    """How many anomalies were found; None when nothing is due."""
    rows = KeyHour.objects.filter(is_due=True, hour__gte=first).order_by("hour", "key_id")
    due = list(rows.select_for_update(skip_locked=True)[:KEYS_AT_ONCE])
    if not due:
        return None
    found = 0
    for hour, group in groupby(due, lambda row: row.hour):
        keys = {row.key_id: hour_of_row(row) for row in group}
        verdicts = list(judge_hour(hour, keys, limits))
        living = living_keys((key_id for key_id, _ in verdicts), now)
        for key_id, verdict in verdicts:
            if (key := living.get(key_id)) is not None:
                found += note(key, hour, verdict, limits, actor)
    KeyHour.objects.filter(pk__in=[row.pk for row in due]).update(is_due=False)
    return found


def judge_hour(
    hour: datetime, keys: Mapping[UUID, Hour], limits: Thresholds
) -> Iterator[tuple[UUID, rules.Anomaly]]:
    """What was not noted before."""
    networks, noted = networks_of(hour, list(keys), limits), noted_in(hour, list(keys))
    wanted = {
        key_id: rules.reached(done, networks.get(key_id), limits) - noted[key_id]
        for key_id, done in keys.items()
    }
    past = past_of(hour, wanted, limits)
    for key_id, asked in wanted.items():
        for verdict in rules.judge(keys[key_id], past[key_id], networks.get(key_id), limits):
            if verdict.rule in asked:
                yield key_id, verdict


def living_keys(ids: Iterable[UUID], now: datetime) -> dict[UUID, ApiKey]:
    """Without those that have ended: whoever goes on trying one goes without."""
    rows = ApiKey.objects.defer("digest", "metadata").in_bulk(set(ids))
    return {key_id: key for key_id, key in rows.items() if not key.has_ended(now)}


def note(key: ApiKey, hour: datetime, found: rules.Anomaly, limits: Thresholds, actor: str) -> bool:
    """False when it was noted before."""
    unit = MICRO if found.rule is Rule.COST else 1
    figures = {name: round(getattr(found, name) / unit, 6) for name in FIGURES}
    rule = found.rule.value
    row, is_new = Anomaly.objects.get_or_create(key=key, rule=rule, hour=hour, defaults=figures)
    if not is_new:
        return False
    subject = f"key:{key.pk.hex}"
    record(Kind.ANOMALY_DETECTED, actor=actor, subject=subject, rule=rule, hour=hour, **figures)
    if found.rule in limits.quarantine and quarantine(key, rule, actor):
        row.quarantined = True
        row.save(update_fields=["quarantined"])
    return True


def quarantine(key: ApiKey, rule: str, actor: str) -> bool:
    try:
        return quarantine_key(key, actor=actor, reason=f"anomaly: {rule}")
    except MomentryError:  # it was revoked
        return False
