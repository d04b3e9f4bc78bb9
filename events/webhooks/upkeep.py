"""Deliveries sent again by hand, and those that are long over removed."""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from events.hookmodels import WebhookDelivery
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

BATCH: Final = 5_000
# Of an active endpoint what waits is kept: it is still to be sent. The rest is over, or belongs to
# an endpoint that was deleted while the event was written.
PURGE: Final = """
DELETE FROM events_webhookdelivery WHERE id IN (
    SELECT d.id FROM events_webhookdelivery d
      LEFT JOIN events_webhookendpoint e ON e.id = d.endpoint_id
     WHERE d.created_at < %s
       AND (d.delivered_at IS NOT NULL OR d.failed_at IS NOT NULL
            OR e.id IS NULL OR e.disabled_at IS NOT NULL)
     LIMIT %s FOR UPDATE OF d SKIP LOCKED)
"""
DUE: Final = PURGE.replace("DELETE FROM", "SELECT count(*) FROM").replace(
    "FOR UPDATE OF d SKIP LOCKED", ""
)


@transaction.atomic
def redeliver(delivery: WebhookDelivery, *, actor: str) -> bool:
    """Due at once, with its whole schedule before it and the same id. False while a relay has it in
    hand. MomentryError conflict for an endpoint that is disabled."""
    rows = WebhookDelivery.objects.select_related("endpoint").select_for_update(of=["self"])
    found = rows.filter(pk=delivery.pk).first()
    if found is None:
        raise MomentryError("not_found")
    if not found.endpoint.is_active:
        raise MomentryError("conflict", "Its endpoint is disabled: enable it first.")
    at = timezone.now()
    if found.leased_until is not None and found.leased_until > at:
        return False
    found.delivered_at = found.failed_at = found.lease = found.leased_until = None
    found.tries, found.next_attempt_at = 0, at
    found.save()
    record(Kind.WEBHOOK_REDELIVERED, actor=actor, subject=f"webhook:{found.endpoint_id.hex}",
           event=str(found.event_id))  # fmt: skip
    return True


def purge_deliveries(now: datetime, after: timedelta) -> int:
    """How many went; in batches, so that nobody waits for them."""
    total = 0
    while gone := purge_some(now - after):
        total += gone
    return total


def purge_some(before: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(PURGE, [before, BATCH])
        return int(cursor.rowcount)


def count_due(now: datetime, after: timedelta) -> int:
    with connection.cursor() as cursor:
        cursor.execute(DUE, [now - after, None])
        return int((cursor.fetchone() or (0,))[0])
