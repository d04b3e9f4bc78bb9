"""Owners are told that a key is about to expire: 30, 14, 7 and 1 days before, each once.

Hourly: whenever a key ends, "a day before" is 24 to 23 hours before. The end is the key's own
(``expires_at``). What a rotation ends is a secret, not the key: nobody is reminded of it. A key
that lives no longer than a threshold never has it: its owner just got it.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import Status
from apikeys.models import ApiKey, ExpiryReminder
from apikeys.models.notices import DAYS
from apikeys.services.life import ALIVE
from apikeys.services.owners import write_to_owner
from events.kinds import Kind
from events.services import record

MARGIN: Final = timedelta(days=1)
"""Beyond a threshold from which on it may be said again: who puts an end off by an hour is not told
each time."""
BATCH: Final = 200


def remindable(now: datetime) -> QuerySet[ApiKey]:
    """Keys that work and whose owner is there."""
    return ApiKey.objects.filter(
        digest__isnull=False,
        disabled_at=None,
        expires_at__gt=now,
        owner__status=Status.ACTIVE,
        **ALIVE,
    )


def due(now: datetime) -> QuerySet[ApiKey]:
    """Of which a threshold is reached that was not said."""
    new = Q()
    for days in DAYS:
        said = Exists(ExpiryReminder.objects.filter(key=OuterRef("pk"), days=days))
        before = timedelta(days=days)
        reached = Q(expires_at__lte=now + before, expires_at__gt=F("created_at") + before)
        new |= Q(reached, ~said)
    return remindable(now).filter(new)


def remind_of_expiry(now: datetime, *, actor: str) -> int:
    """How many keys' owners were told. One transaction for each; safe twice and at once."""
    forget(now)
    told = 0
    last: UUID | None = None
    while True:
        rows = due(now).order_by("pk")
        ids = list(
            (rows.filter(pk__gt=last) if last else rows).values_list("pk", flat=True)[:BATCH]
        )
        if not ids:
            return told
        told += sum(remind(key_id, now, actor=actor) for key_id in ids)
        last = ids[-1]


def forget(now: datetime) -> None:
    """What was said of an end that was put off since."""
    for days in DAYS:
        later = Q(key__expires_at=None) | Q(key__expires_at__gt=now + timedelta(days=days) + MARGIN)
        ExpiryReminder.objects.filter(later, days=days).delete()


@transaction.atomic
def remind(key_id: UUID, now: datetime, *, actor: str) -> bool:
    """An event and one letter, however many thresholds were passed at once. The row's lock lets one
    run look and say at a time."""
    rows = ApiKey.objects.select_for_update(of=("self",), no_key=True)
    if not rows.filter(pk=key_id).exists():
        return False
    key = due(now).select_related("owner").filter(pk=key_id).first()
    if key is None or key.expires_at is None:
        return False
    said = set(key.expiry_reminders.values_list("days", flat=True))
    new = [days for days in DAYS if is_reached(key, days, now) and days not in said]
    ExpiryReminder.objects.bulk_create(ExpiryReminder(key=key, days=days) for days in new)
    record(
        Kind.APIKEY_EXPIRING,
        actor=actor,
        subject=f"key:{key.pk.hex}",
        days=new[-1],
        expires_at=key.expires_at,
    )
    write_to_owner(key, "key_expiring")
    return True


def is_reached(key: ApiKey, days: int, now: datetime) -> bool:
    """As due() asks the database."""
    end, before = key.expires_at, timedelta(days=days)
    return end is not None and key.created_at < end - before <= now
