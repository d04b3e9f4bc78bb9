"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from events.chain import retention
from momentry.common.jobs import Daily

ACTOR: Final = "schedule"


@shared_task(base=Daily)
def purge_events() -> str:
    """Events that are older than EVENT_RETENTION_DAYS."""
    gone = retention.purge_events(timezone.now(), settings.EVENT_RETENTION_DAYS, actor=ACTOR)
    return f"Purged {gone} events."
