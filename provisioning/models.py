"""InboxEvent (a webhook that was applied) and ClaimLink (how a member fetches a key once)."""

from datetime import datetime

from django.db import models
from django.utils import timezone

from momentry.common.ids import uuid7


class Outcome(models.TextChoices):
    APPLIED = "applied", "applied"
    STALE = "stale", "stale"
    CONFLICT = "conflict", "conflict"


class InboxEvent(models.Model):
    """Written in its effect's transaction, so a repeated delivery finds it and does nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    site = models.ForeignKey("accounts.Site", on_delete=models.CASCADE)
    event_id = models.CharField(max_length=128)
    type = models.CharField(max_length=64)
    sequence = models.PositiveBigIntegerField()
    outcome = models.CharField(max_length=8, choices=Outcome)
    member = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True)
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-received_at"]
        constraints = [models.UniqueConstraint(fields=["site", "event_id"], name="inbox_once")]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class ClaimLink(models.Model):
    """One chance to fetch a key's secret. The link's token is derived, stored nowhere."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.ForeignKey("apikeys.ApiKey", on_delete=models.CASCADE, related_name="claims")
    nonce = models.CharField(max_length=32, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, editable=False)
    voided_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"claim of {self.key_id}"

    def is_open(self, at: datetime) -> bool:
        return self.used_at is None and self.voided_at is None and self.expires_at > at
