"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from events.chain import retention
from events.webhooks import upkeep
from events.webhooks.secrets import forget_formers
from momentry.common.jobs import Daily

ACTOR: Final = "schedule"


@shared_task(base=Daily)
def purge_events() -> str:
    """Events that are older than EVENT_RETENTION_DAYS."""
    gone = retention.purge_events(timezone.now(), settings.EVENT_RETENTION_DAYS, actor=ACTOR)
    return f"Purged {gone} events."


@shared_task(base=Daily)
def purge_deliveries() -> str:
    """Webhook deliveries that were over DELIVERY_RETENTION_DAYS ago."""
    forget_formers(timezone.now())
    gone = upkeep.purge_deliveries(timezone.now(), settings.DELIVERY_RETENTION)
    return f"Purged {gone} webhook deliveries."
