"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

import logging
import time
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from momentry.common.jobs import Daily, Job
from videos.services import filelog, hashing, leases, notices, purge, recount, uploads

logger = logging.getLogger(__name__)
ACTOR: Final = "schedule"
READING_SECONDS: Final = 600.0  # no file is begun later; then the other tasks of the worker


@shared_task(base=Daily)
def notify_storage() -> str:
    """Who crossed 80, 95 or 100 % of the storage quota since the last time."""
    return f"Told {notices.notify_storage(actor=ACTOR)} members of their storage."


@shared_task(base=Daily)
def expire_job_leases() -> str:
    """Steps whose worker was not heard of in time wait again, or are dead."""
    count = leases.expire_all(actor=ACTOR)
    return f"{count} leases of steps ran out." if count else ""


@shared_task(base=Job)  # not tried again: in a minute beat starts the next
def expire_uploads() -> str:
    """Room that was kept for files which did not come in time."""
    count = uploads.expire(timezone.now())
    return f"Expired {count} uploads." if count else ""


@shared_task(base=Job)
def hash_files() -> str:
    """Files that wait for their digest; told by whoever registers one, and swept."""
    count = hashing.read_waiting(time.monotonic() + READING_SECONDS)
    return f"Read {count} files." if count else ""


@shared_task(base=Daily)
def recount_storage() -> str:
    """Members' bytes against their videos, set right; SFTPGo's are only compared."""
    drifted = sum(1 for _ in recount.recount(actor=ACTOR))
    said = [f"Set {drifted} members' bytes right."]
    for name, compare in recount.COMPARISONS.items():
        try:
            said.append(f"{name} counts otherwise for {sum(1 for _ in compare())} members.")
        except recount.UnknownError as error:
            logger.warning("not compared", extra={"system": name, "error": str(error)})
    return " ".join(said)


@shared_task(base=Daily)
def forget_file_events() -> str:
    """What SFTPGo told so long ago that nothing older comes any more."""
    return f"Forgot {filelog.forget()} file events."


@shared_task(base=Daily)
def purge_videos() -> str:
    """Videos that were deleted VIDEO_PURGE_DAYS ago, and their files."""
    count = purge.purge_videos(timezone.now(), settings.VIDEO_PURGE_AFTER, actor=ACTOR)
    return f"Purged {count} videos."
