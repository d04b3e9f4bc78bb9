"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

import logging
from typing import Final

from celery import shared_task

from apikeys.tasks import Daily
from videos.services import notices

logger = logging.getLogger(__name__)
ACTOR: Final = "schedule"


@shared_task(base=Daily)
def notify_storage() -> None:
    """Who crossed 80, 95 or 100 % of the storage quota since the last time."""
    logger.info("Told %d members of their storage.", notices.notify_storage(actor=ACTOR))
