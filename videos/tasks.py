"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

import logging
from typing import Final

from celery import shared_task
from django.utils import timezone

from apikeys.tasks import Daily
from videos.services import leases, notices, uploads

logger = logging.getLogger(__name__)
ACTOR: Final = "schedule"


@shared_task(base=Daily)
def notify_storage() -> None:
    """Who crossed 80, 95 or 100 % of the storage quota since the last time."""
    logger.info("Told %d members of their storage.", notices.notify_storage(actor=ACTOR))


@shared_task(base=Daily)
def expire_job_leases() -> None:
    """Steps whose worker was not heard of in time wait again, or are dead."""
    count = leases.expire_all(actor=ACTOR)
    if count:
        logger.info("%d leases of steps ran out.", count)


@shared_task  # not tried again: in a minute beat starts the next
def expire_uploads() -> None:
    """Room that was kept for files which did not come in time."""
    if count := uploads.expire(timezone.now()):
        logger.info("Expired %d uploads.", count)
