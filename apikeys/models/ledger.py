"""Counter: what one subject used of one metric in one period. Written by apikeys.ledger only."""

from django.db import models
from django.db.models import Q


class Counter(models.Model):
    subject = models.CharField(max_length=44, help_text="key:<id> or member:<id>.")
    metric = models.CharField(max_length=16)
    period = models.CharField(max_length=8, help_text="day, month or lifetime.")
    period_start = models.DateTimeField()
    used = models.PositiveBigIntegerField(default=0)
    limit = models.PositiveBigIntegerField(null=True)

    class Meta:
        ordering = ["-period_start", "subject"]
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "metric", "period", "period_start"], name="counter_once"
            ),
            models.CheckConstraint(name="counter_not_negative", condition=Q(used__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.metric}/{self.period}: {self.used}"
