"""Rows of the kernel that are of no use any more, in batches, so that no lock is held for long."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from momentry.common.idempotency import KEPT
from momentry.common.models import IdempotencyRecord, JobRun

BATCH: Final = 1000
RUNS_KEPT: Final = timedelta(days=14)


def delete_in_batches(rows: QuerySet[Any]) -> int:
    """How many were deleted. Safe twice and at once."""
    gone = 0
    while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
        gone += rows.model._base_manager.filter(pk__in=keys).delete()[0]
    return gone


def forget_idempotency(now: datetime) -> int:
    """Answers to Idempotency-Keys of more than a day ago."""
    return delete_in_batches(IdempotencyRecord.objects.filter(created_at__lte=now - KEPT))


def forget_runs(now: datetime) -> int:
    """Runs of scheduled work that ended two weeks ago."""
    return delete_in_batches(JobRun.objects.filter(ended_at__lte=now - RUNS_KEPT).order_by())


def forget_sessions(now: datetime) -> int:
    """Staff sessions that are over."""
    return delete_in_batches(Session.objects.filter(expire_date__lt=now))
