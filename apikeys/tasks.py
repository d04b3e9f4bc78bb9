"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

import logging
from typing import Final

from celery import Task, shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apikeys.services import holds, upkeep
from apikeys.usage import partitions, purge, rollup

logger = logging.getLogger(__name__)
ACTOR: Final = "schedule"


class Daily(Task[[], None]):
    """A database that is away comes back: tried again for up to an hour, then the next time."""

    autoretry_for = (OperationalError, InterfaceError)
    retry_backoff = 2
    retry_backoff_max = 600
    max_retries = 14


@shared_task(base=Daily)
def purge_keys() -> None:
    """Keys that ended KEY_PURGE_DAYS ago become tombstones."""
    count = upkeep.purge_keys(timezone.now(), settings.KEY_PURGE_AFTER, actor=ACTOR)
    logger.info("Purged %d keys.", count)


@shared_task(base=Daily)
def require_rotations() -> None:
    """Each rotation that fell due is recorded once."""
    count = upkeep.require_rotations(timezone.now(), actor=ACTOR)
    logger.info("Rotation required: %d keys.", count)


@shared_task(base=Daily)
def roll_up_usage() -> None:
    """Hours of the request log that are over, and recent ones that got more rows."""
    logger.info("Rolled up %d hours.", rollup.roll_up(timezone.now()))


@shared_task(base=Daily)
def roll_up_late_usage() -> None:
    """Also older hours that got more rows."""
    logger.info("Rolled up %d hours.", rollup.roll_up_all(timezone.now()))


@shared_task(base=Daily)
def purge_request_logs() -> None:
    """Days that ended LOG_RETENTION_DAYS ago."""
    gone = purge.purge(timezone.now(), settings.LOG_RETENTION_DAYS)
    logger.info(purge.CLEANED, gone)


@shared_task(base=Daily)
def make_log_partitions() -> None:
    """The request log's tables for today and a week ahead."""
    made = partitions.make_ahead(timezone.now().date())
    logger.info("Made %d log partitions.", made)


@shared_task(base=Daily)
def purge_holds() -> None:
    """Settled holds that ended a day ago."""
    logger.info("Purged %d holds.", holds.purge_holds())
