"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from apikeys.anomalies import detect
from apikeys.services import expiry, holds, quotanotices, reminders, upkeep
from apikeys.usage import partitions, purge, rollup
from momentry.common.jobs import Daily

ACTOR: Final = "schedule"


@shared_task(base=Daily)
def purge_keys() -> str:
    """Keys that ended KEY_PURGE_DAYS ago become tombstones."""
    count = upkeep.purge_keys(timezone.now(), settings.KEY_PURGE_AFTER, actor=ACTOR)
    return f"Purged {count} keys."


@shared_task(base=Daily)
def require_rotations() -> str:
    """Each rotation that fell due is recorded once."""
    count = upkeep.require_rotations(timezone.now(), actor=ACTOR)
    return f"Rotation required: {count} keys."


@shared_task(base=Daily)
def roll_up_usage() -> str:
    """Hours of the request log that are over, and recent ones that got more rows."""
    return f"Rolled up {rollup.roll_up(timezone.now())} hours."


@shared_task(base=Daily)
def roll_up_late_usage() -> str:
    """Also older hours that got more rows."""
    return f"Rolled up {rollup.roll_up_all(timezone.now())} hours."


@shared_task(base=Daily)
def purge_request_logs() -> str:
    """Days that ended LOG_RETENTION_DAYS ago."""
    return purge.CLEANED % purge.purge(timezone.now(), settings.LOG_RETENTION_DAYS)


@shared_task(base=Daily)
def make_log_partitions() -> str:
    """The request log's tables for today and a week ahead."""
    return f"Made {partitions.make_ahead(timezone.now().date())} log partitions."


@shared_task(base=Daily)
def purge_holds() -> str:
    """Settled holds that ended a day ago."""
    return f"Purged {holds.purge_holds()} holds."


@shared_task(base=Daily)
def remind_of_expiry() -> str:
    """Owners of keys that end in 30, 14, 7 or 1 days."""
    return f"Reminded of {reminders.remind_of_expiry(timezone.now(), actor=ACTOR)} keys."


@shared_task(base=Daily)
def tell_expired() -> str:
    """Keys that reached their end since the last time."""
    return f"Told that {expiry.tell_expired(timezone.now(), actor=ACTOR)} keys expired."


@shared_task(base=Daily)
def notify_limits() -> str:
    """Who crossed 80, 95 or 100 % of a limit since the last time."""
    count = quotanotices.notify_limits(timezone.now(), actor=ACTOR)
    return f"Told of the limits of {count} members and keys."


@shared_task(base=Daily)
def detect_anomalies() -> str:
    """Hours of keys that are unusual for them."""
    return f"Found {detect.detect(timezone.now(), actor=ACTOR)} anomalies."
