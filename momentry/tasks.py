"""Scheduled work of the whole (CELERY_BEAT_SCHEDULE): thin over what the commands call."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from events.retention import purge_mails as purge
from momentry.alerts import tell_staff
from momentry.common.jobs import Daily, Job
from momentry.digest import send_digest


@shared_task(base=Daily)
def purge_mails() -> str:
    """Letters that ended MAIL_RETENTION_DAYS ago."""
    return f"Purged {purge(timezone.now(), settings.MAIL_RETENTION)} letters."


@shared_task(base=Job)
def staff_alerts() -> str:
    """Events that staff have to know of, since the last time."""
    return f"Told staff of {tell_staff(timezone.now())} events."


@shared_task(base=Daily)
def staff_digest() -> str:
    """The week before this one, once."""
    return f"Wrote {send_digest(timezone.now())} digests."
