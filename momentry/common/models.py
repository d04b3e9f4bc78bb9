"""Rows of the kernel: answers to Idempotency-Keys, the fence, what is done once."""

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from momentry.common.jobmodels import JobRun, RoundCount, ScheduledJob

__all__ = ["JobRun", "RoundCount", "ScheduledJob"]


class IdempotencyRecord(models.Model):
    """The answer to one keyed request, written in its effect's transaction, without secrets."""

    actor = models.CharField(max_length=60)
    route = models.CharField(max_length=100)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(
        max_length=64, help_text="HMAC-SHA-256 of method, path and body."
    )
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["actor", "route", "key"], name="idempotency_once")
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class Fence(models.Model):
    """One row: how many changes have narrowed or widened what processes remember."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    generation = models.PositiveBigIntegerField(default=1)

    def __str__(self) -> str:
        return str(self.generation)


class FenceChange(models.Model):
    """What a generation changed: ``kind`` key, member, tier, rules or upstreams, and which."""

    generation = models.PositiveBigIntegerField(db_index=True)
    kind = models.CharField(max_length=10)
    subject = models.CharField(max_length=44, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.generation} {self.kind} {self.subject}"


class FenceProcess(models.Model):
    """A process that remembers: how far it has followed, and until when it may rely on that."""

    id = models.CharField(primary_key=True, max_length=64)
    acked = models.PositiveBigIntegerField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.id


class Once(models.Model):
    """What is done once in a database's life, and was."""

    name = models.CharField(primary_key=True, max_length=40)
    done_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name
