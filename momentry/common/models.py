"""Rows of the kernel: what an Idempotency-Key was answered."""

from django.db import models
from django.utils import timezone


class IdempotencyRecord(models.Model):
    """The answer to one keyed request, written in its effect's transaction, without secrets."""

    actor = models.CharField(max_length=60)
    route = models.CharField(max_length=100)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["actor", "route", "key"], name="idempotency_once")
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
