"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the use cases of members."""

import logging
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from apikeys.tasks import Daily
from provisioning.services import members

logger = logging.getLogger(__name__)
ACTOR: Final = "schedule"


@shared_task(base=Daily)
def purge_members() -> None:
    """Personal data of members who were deleted MEMBER_PURGE_DAYS ago."""
    count = members.purge_members(timezone.now(), settings.MEMBER_PURGE_AFTER, actor=ACTOR)
    logger.info("Purged %d members.", count)


@shared_task(base=Daily)
def resolve_pending() -> None:
    """Pending members whose name became free while nobody could look: a process was killed."""
    logger.info("Resolved %d pending members.", members.resolve_waiting(actor=ACTOR))
