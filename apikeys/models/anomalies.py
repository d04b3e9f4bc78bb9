"""What keys did by the hour and from where, the little that anomalies are judged by; and those
that were found. Plain values like the usage's rows, but for Anomaly, which is about a key."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apikeys.models.key import ApiKey
from momentry.common.ids import uuid7


class KeyHour(models.Model):
    """Sums over a key's calls of one hour. Of one that is not rolled up yet they still grow."""

    key_id = models.UUIDField()
    hour = models.DateTimeField()
    requests = models.BigIntegerField()
    failures = models.BigIntegerField(help_text="Answers 4xx that are not refused.")
    refused = models.BigIntegerField(default=0, help_text="By the gate or a limit.")
    cost_micro = models.BigIntegerField(help_text="Millionths.")
    is_due = models.BooleanField(
        default=False, help_text="It reached a floor, or has a new network, and was not judged yet."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key_id", "hour"], name="keyhour_once")]
        indexes = [
            models.Index(fields=["hour"], name="keyhour_hour"),
            models.Index(fields=["hour", "key_id"], name="keyhour_due", condition=Q(is_due=True)),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} {self.hour:%Y-%m-%d %H:%M}"


class KeyNetwork(models.Model):
    """Where a key was used from: /24 of IPv4, /48 of IPv6. Forgotten when it is not any more;
    so ``last_seen`` is moved by the day only, a write for each call's network would cost more."""

    key_id = models.UUIDField()
    network = models.CharField(max_length=43)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key_id", "network"], name="keynetwork_once")
        ]
        indexes = [
            models.Index(fields=["first_seen"], name="keynetwork_first"),
            models.Index(fields=["last_seen"], name="keynetwork_last"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} {self.network}"


class WatchMark(models.Model):
    """One row: calls before ``gathered_until`` are in KeyHour and KeyNetwork, and hours before
    ``exact_until`` are as the usage has them. Its lock lets one run at a time."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    gathered_until = models.DateTimeField()
    exact_until = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="watchmark_one")]

    def __str__(self) -> str:
        return f"{self.gathered_until:%Y-%m-%d %H:%M}"


class AnomalyRule(models.TextChoices):
    """apikeys.anomalies.settings.Rule"""

    RATE = "rate", "unusual rate"
    FAILURES = "failures", "many failures"
    NETWORKS = "networks", "new networks"
    COST = "cost", "sudden cost"


class Anomaly(models.Model):
    """At most one for each key, rule and hour. ``value`` was above ``threshold``."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="anomalies")
    rule = models.CharField(max_length=8, choices=AnomalyRule)
    hour = models.DateTimeField()
    value = models.FloatField()
    usual = models.FloatField()
    threshold = models.FloatField()
    quarantined = models.BooleanField(default=False, help_text="The key ended because of it.")
    found_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]  # UUIDv7: by time
        verbose_name_plural = "anomalies"
        constraints = [models.UniqueConstraint(fields=["key", "rule", "hour"], name="anomaly_once")]
        indexes = [models.Index(fields=["found_at"], name="anomaly_found")]

    def __str__(self) -> str:
        return f"{self.rule} {self.hour:%Y-%m-%d %H:%M}"
