"""SettledHold: holds that a caller ended, so that saying it again changes nothing."""

from django.db import models


class SettledHold(models.Model):
    """Written by apikeys.services.holds; gone a day after the hold's own end. Without tokens and
    cost it was refunded."""

    id = models.UUIDField(primary_key=True, editable=False)
    key_id = models.UUIDField(help_text="Whose units were held.")
    tokens = models.PositiveBigIntegerField(null=True)
    cost_micro = models.PositiveBigIntegerField(null=True, help_text="Millionths.")
    settled_at = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True, help_text="The hold's own end.")

    class Meta:
        ordering = ["-settled_at"]

    def __str__(self) -> str:
        return f"{self.id}: {self.outcome}"

    @property
    def outcome(self) -> str:
        is_refund = self.tokens is None and self.cost_micro is None
        return "refunded" if is_refund else "settled"
