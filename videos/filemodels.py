"""FileEvent (what SFTPGo told of a file) and FileReading (a file that is read for its digest)."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from momentry.common.ids import uuid7
from videos.timeline import Action


class FileEvent(models.Model):
    """Written in its effect's transaction, so a repeated request finds it and does nothing; kept
    for a while with what it overwrote, so that what is told late finds its place in the order."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the request.")
    tree = models.CharField(max_length=300, help_text="Whose files: a member, or a name in SFTPGo.")
    ns = models.BigIntegerField(help_text="When it happened, in nanoseconds; by SFTPGo's clock.")
    action = models.CharField(max_length=6, choices=[(each, each) for each in Action])
    path = models.CharField(max_length=1024)
    target = models.CharField(max_length=1024, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    video = models.UUIDField(null=True, help_text="What an upload became.")
    effect = models.CharField(max_length=4, blank=True)
    overwrote = models.JSONField(default=dict)
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["tree", "ns"], name="file_event_order"),
            models.Index(fields=["received_at"], name="file_event_age"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.path}"


class FileReading(models.Model):
    """Held by whoever reads the file, until ``until``, or by nobody: then not before it."""

    video = models.OneToOneField(
        "videos.Video", on_delete=models.CASCADE, primary_key=True, related_name="reading"
    )
    lease = models.UUIDField(null=True)
    until = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0, help_text="That came to no digest.")

    class Meta:
        indexes = [
            models.Index(fields=["until"], name="file_read_now", condition=~Q(lease=None)),
        ]

    def __str__(self) -> str:
        return f"reading of {self.video_id}"
