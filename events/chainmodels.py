"""Chain (where the chain of sealed events begins and ends) and AuditKey (what it is made with)."""

from django.db import models
from django.utils import timezone

from momentry.common.crypto.fields import EncryptedField
from momentry.common.ids import uuid7


class AuditKey(models.Model):
    """32 bytes that rows from ``since`` on are sealed with, up to the next key's."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = EncryptedField(help_text="Hexadecimal.")
    since = models.BigIntegerField(unique=True, help_text="The first place it is for.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["since"]

    def __str__(self) -> str:
        return f"from {self.since}"


class Chain(models.Model):
    """One row. What it says of the two ends is signed: nobody shortens it by hand."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    base_seq = models.BigIntegerField(help_text="The last place that retention let go; 0: none.")
    lost_seq = models.BigIntegerField(
        default=0, help_text="Rows up to here are from before a restart; 0: there are none."
    )
    base_hash = models.BinaryField(max_length=32)
    head_seq = models.BigIntegerField(help_text="The last place that was sealed.")
    head_hash = models.BinaryField(max_length=32)
    key_id = models.UUIDField(help_text="The audit key that seals, and signs this row.")
    mac = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, help_text="When its end was last told.")

    def __str__(self) -> str:
        return f"{self.base_seq} to {self.head_seq}"
