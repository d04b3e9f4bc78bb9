"""The outbox forgets: letters that went out, failed for good or were withheld long ago."""

from datetime import datetime, timedelta
from typing import Final

from events.models import WAITING, Mail

BATCH: Final = 1000


def purge_mails(now: datetime, age: timedelta) -> int:
    """How many there were, oldest first; each batch by itself. What still waits stays."""
    gone = 0
    while True:
        rows = Mail.objects.exclude(WAITING).filter(created_at__lt=now - age)
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not ids:
            return gone
        gone += rows.filter(pk__in=ids).delete()[0]
