"""Leak: a key's secret was found where it should not be."""

from django.db import models
from django.utils import timezone

from apikeys.models.key import ApiKey
from momentry.common.crypto.fields import EncryptedField
from momentry.common.ids import uuid7


class LeakOutcome(models.TextChoices):
    """What became of the key. ENDED: it, or this secret of it, opened nothing any more."""

    QUARANTINED = "quarantined", "quarantined"
    REPORTED = "reported", "only reported"
    ENDED = "ended", "had ended before"


class Leak(models.Model):
    """One key at one place, however often that is reported."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="leaks")
    origin = models.CharField(max_length=32, help_text="Who found it.")
    source = models.CharField(max_length=60, blank=True, help_text="In what, as the finder says.")
    where = EncryptedField(null=True, blank=True, help_text="Address or path.")
    place = models.CharField(
        max_length=64, editable=False, help_text="SHA-256 of who found it and where."
    )
    outcome = models.CharField(max_length=12, choices=LeakOutcome)
    found_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(
        null=True, blank=True, help_text="When a letter to the owner was queued."
    )

    class Meta:
        ordering = ["-id"]  # UUIDv7: by time
        constraints = [models.UniqueConstraint(fields=["key", "place"], name="leak_once")]

    def __str__(self) -> str:
        return f"leak of {self.key_id}"
