"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

from celery import shared_task
from django.utils import timezone

from momentry.common import forgetting
from momentry.common.jobs import Daily


@shared_task(base=Daily)
def forget_idempotency() -> str:
    """Answers to Idempotency-Keys of more than a day ago."""
    return f"Forgot {forgetting.forget_idempotency(timezone.now())} answers."


@shared_task(base=Daily)
def forget_runs() -> str:
    """Runs of scheduled work that ended two weeks ago."""
    return f"Forgot {forgetting.forget_runs(timezone.now())} runs."


@shared_task(base=Daily)
def forget_sessions() -> str:
    """Staff sessions that are over."""
    return f"Forgot {forgetting.forget_sessions(timezone.now())} sessions."
