"""WebhookEndpoint (who is told of events), WebhookFanOut (one event, and whom it is for) and
WebhookDelivery (one event for one endpoint). The database writes the second as events come
(migration 0006); the relay makes the third of it."""

import json
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from events.webhooks.filters import validate_pattern
from momentry.common.crypto.fields import EncryptedField
from momentry.common.ids import uuid7
from momentry.common.validators import validate_webhook_url

LONGEST_URL = 500
MOST_PATTERNS = 50


class DisabledFor(models.TextChoices):
    STAFF = "staff", "by staff"
    GONE = "gone", "it answered 410"
    FAILING = "failing", "nothing arrived for days"
    UNSET = "unset", "WEBHOOK_URL is not set"


class WebhookEndpoint(models.Model):
    """``failing_since``: the first failure after which nothing succeeded."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sealed_url = EncryptedField(
        "URL", max_length=LONGEST_URL, validators=[validate_webhook_url],
        help_text="Path and query are often as good as a password.",
    )  # fmt: skip
    host = models.CharField(max_length=LONGEST_URL, editable=False, help_text="Of the URL.")
    description = models.CharField(max_length=100, blank=True, db_default="")
    kinds = ArrayField(
        models.CharField(max_length=60, validators=[validate_pattern]), size=MOST_PATTERNS,
        help_text="Kinds of events, comma-separated; * stands for anything: apikey:*, *:deleted, *",
    )  # fmt: skip
    secret = EncryptedField(help_text="whsec_… of Standard Webhooks; shown once.")
    former_secrets = EncryptedField(
        null=True, blank=True, help_text="JSON: those that sign too, each until its moment."
    )
    former_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The last of those moments."
    )
    is_environment = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="WEBHOOK_URL says all of it."
    )
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_for = models.CharField(
        max_length=8, choices=DisabledFor, blank=True, db_default="", editable=False
    )
    succeeded_at = models.DateTimeField(null=True, blank=True, editable=False)
    failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_environment"], name="webhook_environment_once",
                condition=Q(is_environment=True),
            ),
            models.CheckConstraint(
                condition=Q(disabled_at=None, disabled_for="")
                | (~Q(disabled_at=None) & ~Q(disabled_for="")),
                name="webhook_disabled_for",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.description or self.host

    @property
    def url(self) -> str:
        """Raises EnvelopeError."""
        return str(self.sealed_url)

    @url.setter
    def url(self, text: str) -> None:
        self.sealed_url, self.host = text, urlsplit(text).netloc

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None

    def secrets(self, at: datetime) -> list[str]:
        """Those that sign now, the newest first."""
        return [str(self.secret), *(secret for secret, _ in self.formers(at))]

    def formers(self, at: datetime) -> list[tuple[str, datetime]]:
        """Secrets of before that sign too, the newest first, each until then."""
        if self.former_until is None or self.former_until <= at:
            return []
        kept = [
            (secret, datetime.fromisoformat(until))
            for secret, until in json.loads(str(self.former_secrets))
        ]
        return [(secret, until) for secret, until in kept if until > at]

    def keep_formers(self, kept: Sequence[tuple[str, datetime]]) -> None:
        """Nothing is saved."""
        text = json.dumps([(secret, until.isoformat()) for secret, until in kept])
        self.former_secrets = text if kept else None
        self.former_until = max((until for _, until in kept), default=None)


class WebhookFanOut(models.Model):
    """Whom an event is for, in one row however many they are: whoever causes it waits for that
    alone. It lives until the relay has made deliveries of it, a second at most."""

    event = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=40)
    endpoints = ArrayField(models.UUIDField())
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.kind} {self.event}"


WAITING = Q(delivered_at=None, failed_at=None)
"""Not at its end: sent when it is due, if its endpoint is active."""


class WebhookDelivery(models.Model):
    """``attempts``: each with its time, answer, milliseconds and error; ``tries``: how many of the
    schedule are over. The payload is made of the event as it is sent."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without constraints: a change must not fail for an endpoint that is deleted at that moment,
    # nor the retention of events for these rows. What is left over, purge_deliveries removes.
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries",
        db_index=False, db_constraint=False,
    )  # fmt: skip
    event = models.ForeignKey(
        "events.Event", on_delete=models.CASCADE, related_name="deliveries",
        db_index=False, db_constraint=False,
    )  # fmt: skip
    kind = models.CharField(max_length=40)
    created_at = models.DateTimeField(default=timezone.now)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    lease = models.UUIDField(null=True, editable=False, help_text="Of the relay that sends it.")
    leased_until = models.DateTimeField(null=True, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    attempts = models.JSONField(default=list)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=200, blank=True, db_default="")
    delivered_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True, help_text="Given up; an action sends it again.")

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="webhook_delivery_once")
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"], name="webhook_due", condition=WAITING
            ),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="webhook_of_endpoint"),
            models.Index(fields=["-created_at", "-id"], name="webhook_newest"),
            models.Index(fields=["kind", "-created_at", "-id"], name="webhook_of_kind"),
            # Of what is rare among all that arrived, a list would look through everything.
            models.Index(fields=["-created_at", "-id"], name="webhook_waiting", condition=WAITING),
            models.Index(
                fields=["-created_at", "-id"], name="webhook_failed", condition=~Q(failed_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"

    @property
    def state(self) -> "DeliveryState":
        if self.delivered_at is not None:
            return DeliveryState.DELIVERED
        if self.failed_at is not None:
            return DeliveryState.FAILED
        return DeliveryState.RETRYING if self.tries else DeliveryState.WAITING


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "waiting"
    RETRYING = "retrying", "retrying"
    DELIVERED = "delivered", "delivered"
    FAILED = "failed", "failed"


STATES = {
    DeliveryState.WAITING: WAITING & Q(tries=0),
    DeliveryState.RETRYING: WAITING & Q(tries__gt=0),
    DeliveryState.DELIVERED: ~Q(delivered_at=None),
    DeliveryState.FAILED: ~Q(failed_at=None),
}
