"""That keys reached their end is recorded: once for each end, within the hour.

A key does not need it to end: what ended is refused from that second on.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from apikeys.models import ApiKey, ExpiryReminder
from apikeys.models.notices import ENDED
from apikeys.services.life import ALIVE
from events.kinds import Kind
from events.services import record

BATCH: Final = 200


def untold(now: datetime) -> QuerySet[ApiKey]:
    """Keys that ended by their time and by nothing else, of whose end no event says so."""
    told = ExpiryReminder.objects.filter(
        key=OuterRef("pk"), days=ENDED, said_at__gte=OuterRef("expires_at")
    )
    return ApiKey.objects.filter(~Exists(told), expires_at__lte=now, **ALIVE)


def tell_expired(now: datetime, *, actor: str) -> int:
    """How many were told of. One transaction for each; safe twice and at once."""
    told = 0
    last: UUID | None = None
    while True:
        rows = untold(now).order_by("pk")
        ids = list(
            (rows.filter(pk__gt=last) if last else rows).values_list("pk", flat=True)[:BATCH]
        )
        if not ids:
            return told
        told += sum(tell(key_id, now, actor) for key_id in ids)
        last = ids[-1]


@transaction.atomic
def tell(key_id: UUID, now: datetime, actor: str) -> bool:
    """The row's lock lets one run look and record at a time."""
    rows = ApiKey.objects.select_for_update(of=("self",), no_key=True)
    if not rows.filter(pk=key_id).exists():
        return False
    key = untold(now).filter(pk=key_id).first()
    if key is None:
        return False
    ExpiryReminder.objects.update_or_create(key=key, days=ENDED, defaults={"said_at": now})
    subject = f"key:{key.pk.hex}"
    record(Kind.APIKEY_EXPIRED, actor=actor, subject=subject, expires_at=key.expires_at)
    return True
