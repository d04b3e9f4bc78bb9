"""Videos and jobs for tests of the queue."""

import itertools
from collections.abc import Collection
from typing import Any

from accounts.models import User
from videos.models import ProcessingJob, ProcessingStep, Source, StepState, Video
from videos.services.jobs import create_job

ALL = ["asr", "cut", "face", "ocr", "pose", "yolo"]
numbers = itertools.count(1)


def video(owner: User | None = None, **given: Any) -> Video:
    number = next(numbers)
    values = {"path": f"/clip-{number}.mp4", "name": f"clip-{number}.mp4", "size": 1000 + number}
    return Video.objects.create(owner=owner, source=Source.REST, **{**values, **given})


def job(
    owner: User | None = None, processors: Collection[str] | None = None, priority: int = 0
) -> ProcessingJob:
    return create_job(video(owner), processors, priority)


def steps_of(made: ProcessingJob) -> dict[str, str]:
    return dict(ProcessingStep.objects.filter(job=made).values_list("processor", "state"))


def put(made: ProcessingJob, **states: str) -> None:
    """Steps as a test needs them, past every service; the job's state is not touched."""
    for processor, state in states.items():
        leased: dict[str, Any] = {"lease": None, "leased_until": None}
        if state == StepState.RUNNING:
            leased = {"lease": made.pk, "leased_until": "2099-01-01T00:00:00Z"}
        rows = ProcessingStep.objects.filter(job=made, processor=processor)
        assert rows.update(state=state, **leased) == 1
