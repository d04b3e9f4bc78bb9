"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

import logging
from typing import Final

from celery import shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from events.chain.retention import purge_events as purge

logger = logging.getLogger(__name__)
ACTOR: Final = "schedule"


@shared_task(
    autoretry_for=(OperationalError, InterfaceError),
    retry_backoff=2,
    retry_backoff_max=600,
    max_retries=14,
)
def purge_events() -> None:
    """Events that are older than EVENT_RETENTION_DAYS."""
    gone = purge(timezone.now(), settings.EVENT_RETENTION_DAYS, actor=ACTOR)
    logger.info("Purged %d events.", gone)
