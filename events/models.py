"""Event (what happened, append-only), its chain, and Mail (an outbox row the relay sends)."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from events.chainmodels import AuditKey, Chain
from events.hookmodels import WebhookDelivery, WebhookEndpoint, WebhookFanOut
from events.mailmodels import StaffAlert, StaffDigest, Unsubscription
from events.refusalmodels import Refusal, RefusalTally
from momentry.common.crypto.fields import EncryptedField
from momentry.common.ids import uuid7

__all__ = [
    "AuditKey", "Chain", "Event", "Mail", "Refusal", "RefusalTally", "StaffAlert", "StaffDigest",
    "Unsubscription", "WebhookDelivery", "WebhookEndpoint", "WebhookFanOut",
]  # fmt: skip


class EventQuerySet(models.QuerySet["Event"]):
    def with_seals(self) -> "EventQuerySet":
        """``is_chained``: its place is between the chain's ends. What claims one elsewhere was not
        sealed by us, or is from before a restart."""
        place = OuterRef("seq")
        chain = Chain.objects.filter(pk=1, base_seq__lt=place, head_seq__gte=place)
        named: dict[str, Exists] = {"is_chained": Exists(chain)}
        return self.annotate(**named)


class Event(models.Model):
    """One fact, written in the transaction that made it true. Ids, kind and times are clear.

    Afterwards the sealer gives it its place in the chain; the database refuses other changes.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40)
    actor = models.CharField(max_length=60, help_text="kind:id, such as member:… or admin-token.")
    subject = models.CharField(max_length=60, help_text="kind:id of what it happened to.")
    request_id = models.CharField(max_length=36, blank=True)
    details = EncryptedField(null=True, blank=True, help_text="JSON.")
    erasure = EncryptedField(
        null=True, blank=True, help_text="When we erased the details; nobody else can make it."
    )
    occurred_at = models.DateTimeField(default=timezone.now)
    proof = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False,
        help_text="That a process of ours recorded it; until it is sealed.",
    )  # fmt: skip
    seq = models.BigIntegerField(
        null=True, unique=True, editable=False, help_text="Its place; none until it is sealed."
    )
    hash = models.BinaryField(
        max_length=32, null=True, help_text="HMAC over the one before and this row."
    )
    details_mac = models.BinaryField(
        max_length=32, null=True, help_text="Stands for the details in the hash; empty: none."
    )

    is_chained: bool  # of with_seals()

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]  # UUIDv7: by time
        constraints = [
            models.CheckConstraint(
                condition=Q(seq=None, hash=None, details_mac=None)
                | Q(seq__gt=0, hash__isnull=False, details_mac__isnull=False),
                name="event_sealed_whole",
            )
        ]
        indexes = [
            models.Index(fields=["-occurred_at", "-id"], name="event_time"),
            models.Index(fields=["actor", "-occurred_at"], name="event_actor"),
            models.Index(fields=["id"], name="event_unsealed", condition=Q(seq=None)),
            models.Index(fields=["subject", "-occurred_at"], name="event_subject"),
            models.Index(fields=["kind", "-occurred_at"], name="event_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


WAITING = Q(sent_at=None, failed_at=None, withheld_at=None)


class MailQuerySet(models.QuerySet["Mail"]):
    def due(self, at: datetime) -> "MailQuerySet":
        return self.filter(WAITING, next_attempt_at__lte=at)


class Mail(models.Model):
    """A letter to send. It holds ids, not text: the text is rendered as it is sent."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    template = models.CharField(max_length=40)
    recipient = EncryptedField()
    locale = models.CharField(max_length=16, blank=True)
    context = models.JSONField(
        default=dict, blank=True, help_text="Ids the template needs; no secret."
    )
    created_at = models.DateTimeField(default=timezone.now)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(
        null=True, blank=True, help_text="Given up; an action sends it again."
    )
    withheld_at = models.DateTimeField(
        null=True, blank=True, help_text="There was nothing to say any more, or nobody to hear it."
    )
    last_error = models.CharField(max_length=200, blank=True)

    objects = MailQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="mail_waiting", condition=WAITING),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.id}"
