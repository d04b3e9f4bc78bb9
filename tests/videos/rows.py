"""Rows of videos as they lie in the database, for tests of what reads them; the services that make
them have tests of their own."""

import itertools
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from accounts.models import User
from momentry.common.ids import uuid7
from videos.models import (
    ProcessingJob,
    ProcessingStep,
    Processor,
    Source,
    StepState,
    Upload,
    UploadState,
    Video,
)

numbers = itertools.count(1)


def video(owner: User | None, name: str = "", **given: Any) -> Video:
    name = name or f"holiday {next(numbers)}.mp4"
    values: dict[str, Any] = {"path": f"/{name}", "size": 1_048_576, "source": Source.REST}
    return Video.objects.create(owner=owner, name=name, **{**values, **given})


def job(of: Video, *processors: str, **given: Any) -> ProcessingJob:
    made = ProcessingJob.objects.create(video=of, owner=of.owner, **given)
    for processor in processors or Processor.values:
        ProcessingStep.objects.create(job=made, processor=processor)
    return made


def step(of: ProcessingJob, processor: str, **given: Any) -> ProcessingStep:
    """Changed to what is ``given``; a running one has a lease."""
    if given.get("state") == StepState.RUNNING:
        until = timezone.now() + timedelta(minutes=1)
        given = {"lease": uuid7(), "leased_until": until, "attempts": 1, **given}
    ProcessingStep.objects.filter(job=of, processor=processor).update(**given)
    return ProcessingStep.objects.get(job=of, processor=processor)


def upload(owner: User, **given: Any) -> Upload:
    values: dict[str, Any] = {
        "path": f"/on its way {next(numbers)}.mp4", "size": 2_097_152,
        "expires_at": timezone.now() + timedelta(days=1),
    }  # fmt: skip
    made = Upload.objects.create(owner=owner, **{**values, **given})
    if made.state == UploadState.OPEN:
        kept = F("quota_reserved") + made.size
        User.objects.filter(pk=owner.pk).update(quota_reserved=kept)
    return made
