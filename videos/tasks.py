"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

import logging
import time
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from apikeys.tasks import Daily
from videos.services import filelog, hashing, leases, notices, purge, recount, uploads

logger = logging.getLogger(__name__)
ACTOR: Final = "schedule"
READING_SECONDS: Final = 600.0  # no file is begun later; then the other tasks of the worker


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


@shared_task
def hash_files() -> None:
    """Files that wait for their digest; told by whoever registers one, and swept."""
    if count := hashing.read_waiting(time.monotonic() + READING_SECONDS):
        logger.info("Read %d files.", count)


@shared_task(base=Daily)
def recount_storage() -> None:
    """Members' bytes against their videos, set right; SFTPGo's are only compared."""
    drifted = sum(1 for _ in recount.recount(actor=ACTOR))
    logger.info("Set %d members' bytes right.", drifted)
    for name, compare in recount.COMPARISONS.items():
        try:
            logger.info("%s counts otherwise for %d members.", name, sum(1 for _ in compare()))
        except recount.UnknownError as error:
            logger.warning("not compared", extra={"system": name, "error": str(error)})


@shared_task(base=Daily)
def forget_file_events() -> None:
    """What SFTPGo told so long ago that nothing older comes any more."""
    logger.info("Forgot %d file events.", filelog.forget())


@shared_task(base=Daily)
def purge_videos() -> None:
    """Videos that were deleted VIDEO_PURGE_DAYS ago, and their files."""
    count = purge.purge_videos(timezone.now(), settings.VIDEO_PURGE_AFTER, actor=ACTOR)
    logger.info("Purged %d videos.", count)
