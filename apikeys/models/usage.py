"""Usage rolled up by hour and day, which outlives the request log; written by apikeys.usage only.

Periods are UTC. Plain values without foreign keys, like the log's rows: what was used stays told
when keys and members are gone.
"""

from django.db import models
from django.db.models import Q

DIMENSIONS = ("key_id", "member_id", "upstream", "operation", "model", "status")
MEASURES = (
    "total_requests", "successful_requests", "failed_requests", "total_response_time_us",
    "tokens_in", "tokens_out", "tokens_cached", "tokens_reasoning", "cost_micro", "bytes_in",
    "bytes_out",
)  # fmt: skip


class Usage(models.Model):
    """Sums over the calls of one period that agree in every dimension."""

    period_start = models.DateTimeField()
    key_id = models.UUIDField(null=True)
    member_id = models.UUIDField(null=True)
    upstream = models.CharField(max_length=60)
    operation = models.CharField(max_length=100)
    model = models.CharField(max_length=100)
    status = models.PositiveSmallIntegerField()
    total_requests = models.PositiveBigIntegerField()
    successful_requests = models.PositiveBigIntegerField(help_text="2xx.")
    failed_requests = models.PositiveBigIntegerField(help_text="4xx and 5xx.")
    total_response_time_us = models.PositiveBigIntegerField(help_text="Microseconds.")
    tokens_in = models.BigIntegerField()
    tokens_out = models.BigIntegerField()
    tokens_cached = models.BigIntegerField()
    tokens_reasoning = models.BigIntegerField()
    cost_micro = models.BigIntegerField(help_text="Millionths.")
    bytes_in = models.BigIntegerField()
    bytes_out = models.BigIntegerField()

    class Meta:
        abstract = True
        ordering = ["-period_start", "-id"]

    def __str__(self) -> str:
        return f"{self.period_start:%Y-%m-%d %H:%M} {self.upstream or self.operation} {self.status}"


class HourlyUsage(Usage):
    class Meta(Usage.Meta):
        verbose_name = verbose_name_plural = "hourly usage"
        constraints = [
            models.UniqueConstraint(
                fields=["period_start", *DIMENSIONS], name="hourly_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["member_id", "period_start"], name="hourly_member")]


class DailyUsage(Usage):
    class Meta(Usage.Meta):
        verbose_name = verbose_name_plural = "daily usage"
        constraints = [
            models.UniqueConstraint(
                fields=["period_start", *DIMENSIONS], name="daily_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["member_id", "period_start"], name="daily_member")]


class UsageMark(models.Model):
    """One row: hours before ``rolled_until`` are read from the roll-up, later ones from the log.

    Its lock lets one roll-up write at a time.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    rolled_until = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="usagemark_one")]

    def __str__(self) -> str:
        return f"{self.rolled_until:%Y-%m-%d %H:%M}"


class LoggedDay(models.Model):
    """A day of the request log. ``inserts``: rows put into its table when it was last compared with
    its roll-up, by the database's statistics. Once ``purged_at``, its roll-up only grows."""

    day = models.DateField(primary_key=True)
    inserts = models.BigIntegerField(null=True)
    purged_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.day)
