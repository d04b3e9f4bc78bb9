"""Counter: what one subject used of one metric in one period; Lease: which of its units a process
holds. Written by apikeys.ledger only.
"""

from django.db import models
from django.db.models import Q


class Counter(models.Model):
    subject = models.CharField(max_length=44, help_text="key:<id> or member:<id>.")
    metric = models.CharField(max_length=16)
    period = models.CharField(max_length=8, help_text="day, month or lifetime.")
    period_start = models.DateTimeField()
    used = models.PositiveBigIntegerField(default=0, help_text="Units taken, on lease or spent.")
    leased = models.PositiveBigIntegerField(db_default=0, help_text="Those that leases hold.")
    limit = models.PositiveBigIntegerField(null=True)

    class Meta:
        ordering = ["-period_start", "subject"]
        indexes = [models.Index(fields=["period_start"], name="counter_of_period")]
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "metric", "period", "period_start"], name="counter_once"
            ),
            models.CheckConstraint(name="counter_not_negative", condition=Q(used__gte=0)),
            models.CheckConstraint(
                name="counter_leased_of_used",
                condition=Q(leased__gte=0, leased__lte=models.F("used")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.metric}/{self.period}: {self.used}"


class Lease(models.Model):
    """Units of one counter that one gateway process holds in memory.

    ``granted`` is what it held when it last asked, ``spent`` what of that it has said is spent
    since; ``seq`` numbers its askings, so that an answer that was lost can be known again.
    """

    process = models.CharField(max_length=64)
    counter = models.ForeignKey(Counter, on_delete=models.CASCADE, related_name="leases")
    granted = models.PositiveBigIntegerField()
    spent = models.PositiveBigIntegerField(db_default=0)
    seq = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["process", "counter"], name="lease_once"),
            models.CheckConstraint(
                name="lease_spent_of_granted",
                condition=Q(spent__gte=0, spent__lte=models.F("granted")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.process}: {self.granted - self.spent} of {self.counter_id}"
