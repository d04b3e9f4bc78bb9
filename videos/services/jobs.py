"""Jobs as wholes: made, called off, and the state that follows from their steps.

Whoever changes a step holds its job's row: so a state is computed from steps that stand still, and
two who end a job's last two steps do not both believe that one is left. Videos are locked before
jobs, jobs in the order of their ids.
"""

from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from momentry.common.ids import uuid7
from videos.models import (
    JobState,
    ProcessingJob,
    ProcessingStep,
    Processor,
    StepState,
    Video,
)

OPEN: Final = (StepState.QUEUED, StepState.RUNNING)
ENDED: Final = (JobState.DONE, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED)
HIGHEST: Final = 100
GONE: Final = "The video is deleted."
UNLEASED: Final = {"lease": None, "leased_until": None}

# As the models' defaults have it. Every file that comes makes a job: as one statement it costs a
# third of what the job and its steps as objects do.
INSERT: Final = """
WITH job AS (
    INSERT INTO videos_processingjob (id, video_id, owner_id, kind, state, priority)
    VALUES (%(job)s, %(video)s, %(owner)s, 'auto_ingestion', 'queued', %(priority)s)
    RETURNING *
), steps AS (
    INSERT INTO videos_processingstep (id, job_id, processor, state, job_priority, attempts,
           worker, progress, artefacts, last_error)
    SELECT step.id, %(job)s, step.processor, 'queued', %(priority)s, 0, '', 0, '[]', ''
      FROM unnest(%(steps)s::uuid[], %(processors)s::varchar[]) AS step (id, processor)
)
SELECT * FROM job
"""


def create_job(
    video: Video, processors: Collection[str] | None = None, priority: int = 0
) -> ProcessingJob:
    """Queued as soon as the transaction ends; all processors without ``processors``. MomentryError
    invalid_input for one that is unknown, for none, and for a priority beyond -100 to 100."""
    wanted = known(Processor.values if processors is None else processors)
    refuse_priority(priority)
    return insert_job(video, wanted, priority)


def insert_job(video: Video, wanted: Collection[str], priority: int) -> ProcessingJob:
    values = {
        "job": uuid7(), "video": video.pk, "owner": video.owner_id, "priority": priority,
        "steps": [uuid7() for _ in wanted], "processors": list(wanted),
    }  # fmt: skip
    (job,) = ProcessingJob.objects.raw(INSERT, values)
    job.video = video
    return job


def known(processors: Collection[str]) -> list[str]:
    """Each once, in the order of Processor."""
    if isinstance(processors, str) or not processors:
        raise invalid("processors", "name at least one processor")
    for place, name in enumerate(processors):
        if name not in Processor.values:
            listed = ", ".join(Processor.values)
            raise invalid(f"processors/{place}", f"is not one of {listed}")
    return [name for name in Processor.values if name in processors]


def refuse_priority(priority: int) -> None:
    if not -HIGHEST <= priority <= HIGHEST:
        raise invalid("priority", f"must be between {-HIGHEST} and {HIGHEST}")


def invalid(pointer: str, detail: str) -> MomentryError:
    return MomentryError("invalid_input", errors=[{"pointer": f"#/{pointer}", "detail": detail}])


@transaction.atomic
def cancel_open(subject: Video | ProcessingJob, actor: str) -> int:
    """Call off every step that has not ended; how many there were. Who works on one is told when
    it is next heard of. ``subject``: a job, or a video with all its jobs."""
    of = Q(video=subject) if isinstance(subject, Video) else Q(pk=subject.pk)
    jobs = lock(ProcessingJob.objects.filter(of).exclude(state__in=ENDED))
    cancelled = 0
    for job in jobs:
        steps = ProcessingStep.objects.filter(job=job, state__in=OPEN)
        forget(job, set(steps.values_list("lease", flat=True)))
        ended = {"updated_at": Now(), "finished_at": Now()}
        cancelled += steps.update(state=StepState.CANCELLED, **UNLEASED, **ended)
        follow(job, actor)
    return cancelled


@transaction.atomic
def requeue(job: ProcessingJob, actor: str) -> int:
    """What is dead or was called off waits again, with all its attempts; how many steps. A video
    that is deleted is MomentryError conflict."""
    video = Video.objects.select_for_update(no_key=True).get(pk=job.video_id)
    if video.deleted_at is not None:
        raise MomentryError("conflict", GONE)
    job = hold(job.pk)
    steps = ProcessingStep.objects.filter(job=job, state__in=(StepState.DEAD, StepState.CANCELLED))
    fresh = {"attempts": 0, "progress": 0, "last_error": "", "due_at": Now(), "finished_at": None}
    names = list(steps.order_by("processor").values_list("processor", flat=True))
    if names:
        steps.update(state=StepState.QUEUED, updated_at=Now(), **fresh)
        follow(job, actor)
        record(Kind.JOB_REQUEUED, actor=actor, subject=f"job:{job.pk.hex}", processors=names)
    return len(names)


@transaction.atomic
def set_priority(job: ProcessingJob, priority: int, actor: str) -> None:
    """Also of its steps; what runs goes on. MomentryError invalid_input beyond -100 to 100."""
    refuse_priority(priority)
    told = changes({"priority": hold(job.pk).priority}, {"priority": priority})
    ProcessingStep.objects.filter(job=job).update(job_priority=priority)
    ProcessingJob.objects.filter(pk=job.pk).update(priority=priority, updated_at=Now())
    if told["fields"]:
        record(Kind.JOB_UPDATED, actor=actor, subject=f"job:{job.pk.hex}", **told)


def lock(jobs: Iterable[ProcessingJob]) -> list[ProcessingJob]:
    """Their rows as they are now, held to the end of the transaction."""
    ids = sorted(job.pk for job in jobs)
    held = ProcessingJob.objects.filter(pk__in=ids).order_by("pk")
    return list(held.select_for_update(no_key=True))


def hold(job_id: UUID) -> ProcessingJob:
    """One job's row, likewise; ProcessingJob.DoesNotExist."""
    return ProcessingJob.objects.select_for_update(no_key=True).get(pk=job_id)


def forget(job: ProcessingJob, leases: set[UUID | None]) -> None:
    """What was ended under them stays, but they are lost: they complete nothing."""
    ProcessingStep.objects.filter(job=job, last_lease__in=leases).update(last_lease=None)


def follow(job: ProcessingJob, actor: str) -> None:
    """Bring a held job's state after its steps, and say so where it ended."""
    steps = dict(ProcessingStep.objects.filter(job=job).values_list("processor", "state"))
    state = state_of(steps.values())
    if state == job.state:
        return
    was_over, job.state = job.state in ENDED, state
    rows = ProcessingJob.objects.filter(pk=job.pk)
    rows.update(state=state, updated_at=Now(), finished_at=Now() if state in ENDED else None)
    if state in ENDED and not was_over:
        tell(job, steps, actor)


def state_of(steps: Collection[str]) -> JobState:
    """Of a job with these steps. Running: a worker has one. Queued: none has, and some wait."""
    states = set(steps)
    if StepState.RUNNING in states:
        return JobState.RUNNING
    if StepState.QUEUED in states:
        return JobState.QUEUED
    if StepState.DONE in states:
        return JobState.DONE if states == {StepState.DONE} else JobState.PARTIAL
    return JobState.FAILED if StepState.DEAD in states else JobState.CANCELLED


def tell(job: ProcessingJob, steps: dict[str, str], actor: str) -> None:
    """A job that is partly done failed where a step is dead, else somebody called it off."""
    states = set(steps.values())
    kind = Kind.JOB_DONE
    if StepState.DEAD in states:
        kind = Kind.JOB_FAILED
    elif StepState.CANCELLED in states:
        kind = Kind.JOB_CANCELLED
    record(
        kind,
        actor=actor,
        subject=f"job:{job.pk.hex}",
        video=job.video_id.hex,
        state=job.state,
        steps={processor: steps[processor] for processor in sorted(steps)},
    )
