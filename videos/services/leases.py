"""What a lease's holder may say of it: still here, given up, given back. And its end by time.

A lease holds until somebody takes it away, also past its time: who is late and finds it has lost
nothing. Each verb holds the job's row; with a lease that is lost it changes nothing.
"""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import (
    Case,
    DateTimeField,
    ExpressionWrapper,
    F,
    PositiveSmallIntegerField,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest, Now

from momentry.common.errors import MomentryError
from videos.models import ProcessingJob, ProcessingStep, StepState
from videos.services.jobs import UNLEASED, follow, forget, hold

MOST_ATTEMPTS: Final = 5
FIRST_PAUSE: Final = 30.0  # seconds; twice as long after each attempt
LONGEST_PAUSE: Final = 3600.0
SPREAD: Final = 0.2  # each way, so that what failed together is not tried together
ERROR_LENGTH: Final = 500
BATCH: Final = 500
RAN_OUT: Final = "The lease ran out: nothing was heard of the worker."
LAST_TRY: Final = Q(attempts__gte=MOST_ATTEMPTS)


class Holder(NamedTuple):
    """Who speaks of which job, and by which lease."""

    job: UUID
    lease: UUID
    actor: str


class Held(NamedTuple):
    leased_until: datetime | None
    processors: list[str]


def known(job_id: UUID) -> ProcessingJob:
    """The job, held; MomentryError not_found."""
    try:
        return hold(job_id)
    except ProcessingJob.DoesNotExist:
        raise MomentryError("not_found") from None


def held(job: ProcessingJob, lease: UUID) -> QuerySet[ProcessingStep]:
    """The steps under a lease; MomentryError lease_lost for none."""
    rows = ProcessingStep.objects.filter(job=job, state=StepState.RUNNING, lease=lease)
    if not rows.exists():
        raise MomentryError("lease_lost")
    return rows


@transaction.atomic
def extend(holder: Holder, *, seconds: int, progress: Mapping[str, int]) -> Held:
    """Until ``seconds`` from now, or as long as before. Of what is not under it any more progress
    is not noted."""
    rows = held(known(holder.job), holder.lease)
    until = Greatest("leased_until", in_seconds(seconds))
    percent = PositiveSmallIntegerField()
    told = [When(processor=name, then=Value(at, percent)) for name, at in progress.items()]
    changes: dict[str, Any] = {"progress": Case(*told, default=F("progress"))} if told else {}
    rows.update(leased_until=until, updated_at=Now(), **changes)
    found = list(rows.order_by("processor"))
    return Held(found[0].leased_until, [step.processor for step in found])


@transaction.atomic
def release(holder: Holder) -> list[str]:
    """Give back what has no result: at its old place in the queue, as if never claimed."""
    job = known(holder.job)
    rows = held(job, holder.lease)
    names = names_of(rows)
    rows.update(state=StepState.QUEUED, attempts=F("attempts") - 1, progress=0, **gone())
    follow(job, holder.actor)
    return names


@transaction.atomic
def fail(holder: Holder, *, processor: str | None, error: str, retry: bool) -> dict[str, str]:
    """One step, or all under the lease, did not succeed: tried again after a pause that doubles,
    MOST_ATTEMPTS times in all and not without ``retry``. What became of each."""
    job = known(holder.job)
    rows = held(job, holder.lease)
    if processor is not None:
        rows = rows.filter(processor=processor)
    steps = list(rows.order_by("processor"))
    if not steps:
        raise MomentryError("lease_lost")
    for step in steps:
        give_up(step, error, is_last=not retry or step.attempts >= MOST_ATTEMPTS)
    follow(job, holder.actor)
    return {step.processor: step.state for step in steps}


def give_up(step: ProcessingStep, error: str, *, is_last: bool) -> None:
    step.state = StepState.DEAD if is_last else StepState.QUEUED
    changes: dict[str, Any] = {"last_error": error[:ERROR_LENGTH], "progress": 0}
    if is_last:
        changes["finished_at"] = Now()
    else:
        changes["due_at"] = in_seconds(pause_after(step.attempts))
    rows = ProcessingStep.objects.filter(pk=step.pk)
    rows.update(state=step.state, **changes, **gone())


def pause_after(attempts: int) -> float:
    """Seconds."""
    pause = min(FIRST_PAUSE * 2.0 ** (attempts - 1), LONGEST_PAUSE)
    return pause * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311  no secret


def expire_leases(*, actor: str, limit: int = BATCH) -> int:
    """Steps whose lease ran out wait again at their old place, or are dead after MOST_ATTEMPTS: so
    a job that kills its workers ends. How many there were; safe to run twice and at once."""
    late = run_out().order_by("job_id").values_list("job_id", flat=True).distinct()
    return sum(expire(job_id, actor) for job_id in list(late[:limit]))


def expire_all(*, actor: str) -> int:
    total = 0
    while count := expire_leases(actor=actor):
        total += count
    return total


def run_out() -> QuerySet[ProcessingStep]:
    return ProcessingStep.objects.filter(state=StepState.RUNNING, leased_until__lt=Now())


@transaction.atomic
def expire(job_id: UUID, actor: str) -> int:
    try:
        job = hold(job_id)
    except ProcessingJob.DoesNotExist:  # purged meanwhile
        return 0
    rows = run_out().filter(job=job)
    forget(job, set(rows.values_list("lease", flat=True)))
    lost: dict[str, Any] = {"last_error": RAN_OUT, "progress": 0, **gone()}
    count = rows.filter(LAST_TRY).update(state=StepState.DEAD, finished_at=Now(), **lost)
    count += rows.update(state=StepState.QUEUED, **lost)
    follow(job, actor)
    return count


def gone() -> dict[str, Any]:
    return {**UNLEASED, "updated_at": Now()}


def names_of(rows: QuerySet[ProcessingStep]) -> list[str]:
    return list(rows.order_by("processor").values_list("processor", flat=True))


def in_seconds(seconds: float) -> Combinable:
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())
