"""Video (a member's file), Upload (room kept for one that comes), ProcessingJob and its steps."""

from django.conf import settings
from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from momentry.common.ids import uuid7
from videos.filemodels import FileEvent, FileReading
from videos.indexes import newest
from videos.noticemodels import StorageNotice

__all__ = ["FileEvent", "FileReading", "StorageNotice"]
PATH_LENGTH, NAME_LENGTH, WORKER_LENGTH = 1024, 255, 100


class Source(models.TextChoices):
    REST = "rest", "registered by REST"
    UPLOAD = "upload", "an upload session"
    SFTPGO = "sftpgo", "SFTPGo's upload hook"
    IMPORT = "import", "found by import_videos"


class Video(models.Model):
    """One file. ``size`` counts against its owner's storage from registration to deletion; a
    deleted row is kept until the purge, so that it can be restored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="videos",
        help_text="Nobody's: it was there before its owner, or the owner was purged.",
    )
    owner_label = models.CharField(
        max_length=60, blank=True, editable=False, help_text="Whose it was before."
    )
    path = models.CharField(max_length=PATH_LENGTH, help_text="As its owner sees it; from /.")
    location = models.CharField(
        max_length=2 * PATH_LENGTH, blank=True, help_text="As SFTPGo's file system has it."
    )
    name = models.CharField(max_length=NAME_LENGTH, help_text="Shown; the file keeps its own.")
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Hexadecimal; empty: unknown.")
    hashed_bytes = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="How far the file was read for its digest."
    )
    hashed_at = models.DateTimeField(null=True, blank=True, editable=False)
    over_quota = models.BooleanField(
        default=False, help_text="It was there already and did not fit: registered all the same."
    )
    source = models.CharField(max_length=8, choices=Source)
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Rises with each change; the ETag."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    file_gone = models.BooleanField(
        default=False, editable=False, help_text="The file itself was deleted: no restoring."
    )

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "path"],
                name="video_path_once",
                condition=Q(deleted_at=None, owner__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["location"],
                name="video_location_once",
                condition=Q(deleted_at=None, owner=None) & ~Q(location=""),
            ),
            models.CheckConstraint(
                name="video_sha256_form", condition=Q(sha256__regex=r"^([0-9a-f]{64})?$")
            ),
        ]
        indexes = [
            newest("video_of_owner", "owner"), newest("video_newest"),
            newest("video_live", "owner", condition=Q(deleted_at=None)),
            newest("video_deleted", "owner", condition=~Q(deleted_at=None)),
            newest("video_over_quota", condition=Q(over_quota=True)),
            models.Index("owner", "name", "id", name="video_by_name", condition=Q(deleted_at=None)),
            models.Index("owner", "size", "id", name="video_by_size", condition=Q(deleted_at=None)),
            models.Index(fields=["deleted_at"], name="video_gone", condition=~Q(deleted_at=None)),
            models.Index("id", name="video_unread", condition=Q(deleted_at=None, hashed_at=None)),
            HashIndex(fields=["location"], name="video_at", condition=~Q(location="")),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name


class UploadState(models.TextChoices):
    OPEN = "open", "open"
    COMMITTED = "committed", "committed"
    RELEASED = "released", "released"
    EXPIRED = "expired", "expired"


class Upload(models.Model):
    """Room kept for a file that is on its way. While it is open, ``size`` is part of its owner's
    ``quota_reserved``; it ends once: as a video, by release, or by its time."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads"
    )
    path = models.CharField(max_length=PATH_LENGTH)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    state = models.CharField(max_length=9, choices=UploadState, default=UploadState.OPEN)
    video = models.ForeignKey(Video, on_delete=models.SET_NULL, null=True, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "path"], name="upload_once", condition=Q(state=UploadState.OPEN)
            )
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], name="upload_due", condition=Q(state=UploadState.OPEN)
            ),
            newest("upload_of_owner", "owner"),
        ]

    def __str__(self) -> str:
        return self.path


class Processor(models.TextChoices):
    ASR = "asr", "speech to text"
    CUT = "cut", "cuts between scenes"
    YOLO = "yolo", "objects"
    OCR = "ocr", "text in pictures"
    FACE = "face", "faces"
    POSE = "pose", "poses"


class JobState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"
    PARTIAL = "partial", "partly done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


class ProcessingJob(models.Model):
    """What is to be made of one video; ``state`` follows from its steps and is kept beside them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="jobs")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="jobs",
        help_text="The video's; beside it for lists.",
    )
    kind = models.CharField(max_length=32, default="auto_ingestion")
    state = models.CharField(max_length=9, choices=JobState, default=JobState.QUEUED)
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first; -100 to 100.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="job_priority_range", condition=Q(priority__gte=-100, priority__lte=100)
            )
        ]
        indexes = [
            newest("job_of_owner", "owner"), newest("job_newest"), newest("job_of_video", "video"),
            newest("job_in_state", "state"), newest("job_of_owner_in_state", "owner", "state"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class StepState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"
    DEAD = "dead", "dead"
    CANCELLED = "cancelled", "cancelled"


class ProcessingStep(models.Model):
    """One processor's part of a job: what a worker claims. ``job_priority`` repeats the job's, so
    that the next one is found in one index."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(ProcessingJob, on_delete=models.CASCADE, related_name="steps")
    processor = models.CharField(max_length=4, choices=Processor)
    state = models.CharField(max_length=9, choices=StepState, default=StepState.QUEUED)
    job_priority = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now(), help_text="Not claimed before.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Claims of it so far.")
    lease = models.UUIDField(null=True, editable=False, help_text="Of the claim that holds it.")
    last_lease = models.UUIDField(null=True, editable=False, help_text="Of who ended it.")
    leased_until = models.DateTimeField(null=True, editable=False)
    worker = models.CharField(max_length=WORKER_LENGTH, blank=True)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Per cent, as last told.")
    result = models.JSONField(null=True, blank=True, help_text="At most 1 MB.")
    artefacts = models.JSONField(default=list, blank=True, help_text="URLs of what was made.")
    last_error = models.CharField(max_length=500, blank=True)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["processor"]
        constraints = [
            models.UniqueConstraint(fields=["job", "processor"], name="step_once"),
            models.CheckConstraint(
                name="step_progress_range", condition=Q(progress__gte=0, progress__lte=100)
            ),
            models.CheckConstraint(
                name="step_lease_while_running",
                condition=Q(
                    state=StepState.RUNNING, lease__isnull=False, leased_until__isnull=False
                )
                | ~Q(state=StepState.RUNNING) & Q(lease=None, leased_until=None),
            ),
        ]
        indexes = [
            models.Index(
                F("processor"), F("job_priority").desc(), F("due_at"), F("id"),
                name="step_next", condition=Q(state=StepState.QUEUED),
            ),
            # Not by leased_until: a heartbeat changes no indexed column, and so no index (HOT).
            models.Index(fields=["job"], name="step_running", condition=Q(state=StepState.RUNNING)),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.processor} of {self.job_id}"
