"""ExpiryReminder, QuotaNotice: what owners were told of their keys and limits."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

DAYS = (30, 14, 7, 1)
ENDED = 0  # that it ended was told
TOLD = (*DAYS, ENDED)
LEVELS = (80, 95, 100)


class ExpiryReminder(models.Model):
    """It was said that the key ends in so many days, and is not said again while the row is there:
    it goes when the key's end is put off well beyond. ENDED: that it did, at ``said_at``."""

    key = models.ForeignKey(
        "apikeys.ApiKey", on_delete=models.CASCADE, related_name="expiry_reminders"
    )
    days = models.PositiveSmallIntegerField()
    said_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "days"], name="reminder_once"),
            models.CheckConstraint(name="reminder_days_known", condition=Q(days__in=TOLD)),
        ]

    def __str__(self) -> str:
        return f"{self.days} days"


class QuotaNotice(models.Model):
    """That much of one limit in one period was said, and is not said again unless the limit is
    raised: what goes back to a counter is no news. The counter is named by its columns: a foreign
    key would lock its row, which requests are counted in."""

    subject = models.CharField(max_length=44, help_text="key:<id> or member:<id>.")
    metric = models.CharField(max_length=16)
    period = models.CharField(max_length=8)
    period_start = models.DateTimeField()
    level = models.PositiveSmallIntegerField(help_text="Per cent of the limit.")
    limit = models.PositiveBigIntegerField(help_text="As it was then.")
    said_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "metric", "period", "period_start", "level"],
                name="quota_notice_once",
            ),
            models.CheckConstraint(name="quota_notice_level_known", condition=Q(level__in=LEVELS)),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.metric}/{self.period}: {self.level} %"
