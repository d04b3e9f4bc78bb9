"""Scheduled work: what there is of it (ScheduledJob), and each time it ran (JobRun)."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Outcome(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    MISSED = "missed", "missed: the next was due before it began"
    LOST = "lost", "lost: its workers ended in the middle"


class ScheduledJob(models.Model):
    """One entry of the schedule, as beat last read it, and how it goes. ``name`` is the entry's."""

    name = models.CharField(primary_key=True, max_length=200)
    task = models.CharField(max_length=200)
    is_ours = models.BooleanField(default=False, help_text="Of the settings, not made by staff.")
    default = models.CharField(
        max_length=400, blank=True, help_text="The time that we wrote last: staff's differs."
    )
    named_at = models.DateTimeField(
        null=True, help_text="When a beat last had it in its settings, of ours."
    )
    next_due_at = models.DateTimeField(null=True, help_text="Empty: switched off.")
    owed_since = models.DateTimeField(
        null=True, help_text="When the first run was due of those since one was done."
    )
    done = models.PositiveBigIntegerField(default=0, db_default=0)
    failed = models.PositiveBigIntegerField(default=0, db_default=0)
    missed = models.PositiveBigIntegerField(default=0, db_default=0)
    lost = models.PositiveBigIntegerField(default=0, db_default=0)
    seconds = models.FloatField(default=0, db_default=0, help_text="Of all runs together.")
    last_outcome = models.CharField(max_length=8, blank=True, choices=Outcome)
    last_began_at = models.DateTimeField(null=True)
    last_done_at = models.DateTimeField(null=True)
    last_seconds = models.FloatField(null=True)
    last_said = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class JobRun(models.Model):
    """One run of a job, of which there is one for each time that it was due. Who has its lease is
    at it; ``tries`` counts them."""

    job = models.CharField(max_length=200)
    task = models.CharField(max_length=200)
    due_at = models.DateTimeField(null=True, help_text="Empty: staff started it.")
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.WAITING)
    sent_at = models.DateTimeField(db_default=Now())
    sends = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    seconds = models.FloatField(null=True)
    said = models.CharField(max_length=200, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    message = models.CharField(max_length=64, blank=True)
    retries = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["job", "due_at"], name="job_run_once"),
            models.UniqueConstraint(
                fields=["message"], condition=Q(due_at=None), name="job_run_by_hand_once"
            ),
        ]
        indexes = [
            models.Index(fields=["job", "-id"], name="job_run_latest"),
            models.Index(fields=["id"], condition=Q(ended_at=None), name="job_run_open"),
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.due_at:%Y-%m-%d %H:%M}" if self.due_at else self.job


class RoundCount(models.Model):
    """What a round of the relay, or beat's, did so far, in all processes that ever went it."""

    name = models.CharField(primary_key=True, max_length=40)
    turns = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    turned_at = models.DateTimeField(
        null=True, help_text="When the last turn ended well, or one that lasts came on."
    )
    named_at = models.DateTimeField(db_default=Now(), help_text="When a process last had it.")

    def __str__(self) -> str:
        return self.name
