"""What processors made of a video: told once for each step, and again as often as one likes."""

from collections.abc import Iterator
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now

from momentry.common.errors import MomentryError
from videos.models import ProcessingJob, ProcessingStep, StepState
from videos.services.jobs import UNLEASED, follow
from videos.services.leases import Holder, known

DEEPEST: Final = 32
LARGEST: Final = 1_000_000  # bytes of JSON
HIGHEST: Final = 100  # per cent
DIFFERENT: Final = "This step has another result already."


@transaction.atomic
def keep_result(
    holder: Holder, processor: str, *, result: Any, artefacts: list[str]
) -> ProcessingJob:
    """End one step. The same again changes nothing, whoever says it; MomentryError conflict for
    another result, lease_lost for a step that is not under this lease."""
    job = known(holder.job)
    step = ProcessingStep.objects.filter(job=job, processor=processor).first()
    if step is None:
        raise MomentryError("lease_lost")
    if step.state == StepState.DONE:
        if (step.result, step.artefacts) != (result, artefacts):
            raise MomentryError("conflict", DIFFERENT)
        return job
    if step.lease != holder.lease:
        raise MomentryError("lease_lost")
    ProcessingStep.objects.filter(pk=step.pk).update(
        state=StepState.DONE,
        result=result,
        artefacts=artefacts,
        progress=HIGHEST,
        last_error="",
        last_lease=holder.lease,
        updated_at=Now(),
        finished_at=Now(),
        **UNLEASED,
    )
    follow(job, holder.actor)
    return job


@transaction.atomic
def complete(holder: Holder) -> ProcessingJob:
    """Is all done that was claimed? MomentryError conflict with what has no result; lease_lost. It
    changes nothing: the last result ended the job."""
    job = known(holder.job)
    steps = ProcessingStep.objects.filter(job=job)
    missing = steps.filter(lease=holder.lease, state=StepState.RUNNING).order_by("processor")
    if names := list(missing.values_list("processor", flat=True)):
        detail = f"There is no result of {', '.join(names)} yet."
        raise MomentryError("conflict", detail, processors=names)
    if not steps.filter(last_lease=holder.lease).exists():
        raise MomentryError("lease_lost")
    return job


def fault_of(value: Any) -> str:
    """Why this is not kept, "" for what is: PostgreSQL has no NUL, no half of a character and no
    number that is none, and nobody reads what is nested without end."""
    for part, depth in parts_of(value):
        if depth > DEEPEST:
            return f"is nested more than {DEEPEST} deep"
        if isinstance(part, str) and not is_storable(part):
            return "has NUL, or half a character, in a text"
        if isinstance(part, float) and part - part != 0.0:
            return "has a number that is none"
    return ""


def parts_of(value: Any) -> Iterator[tuple[Any, int]]:
    """Every value and name in it with its depth; without recursion, the outer ones first."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        if isinstance(part, dict):
            waiting += [(name, depth) for name in part]
            waiting += [(inner, depth + 1) for inner in part.values()]
        elif isinstance(part, list):
            waiting += [(inner, depth + 1) for inner in part]


def is_storable(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
