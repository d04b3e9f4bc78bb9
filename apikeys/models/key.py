"""ApiKey: one credential. The secret is never here, only its digest."""

import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinLengthValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apikeys.models.digests import DigestField
from momentry.common.validators import validate_network


class KeyType(models.TextChoices):
    USER = "user", "user"
    SERVICE = "service", "service"
    ADMIN = "admin", "admin"


def of_slow_proofs(field: str, name: str) -> models.Index:
    """The few rows, most often none, whose digests are Argon2id's: whether there are any is asked
    all the time (apikeys.gate.imported.HAS_SLOW_SQL)."""
    return models.Index(fields=[field], name=name, condition=Q(digest__regex=r"^\$argon2id\$"))


class ApiKey(models.Model):
    """A key of a member or a service. ``id`` is the public uuid in the key and never changes; it
    is random (UUIDv4), so that its first digits tell keys apart in lists.

    A row without a digest was not claimed yet: no secret exists that could match it. One whose
    digest is ``apikeys.foreign.ONLY`` is opened by its foreign secrets alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=128, validators=[MinLengthValidator(1)])
    description = models.CharField(max_length=500, blank=True)
    key_type = models.CharField(max_length=8, choices=KeyType, default=KeyType.USER)
    service_name = models.CharField(max_length=64, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="api_keys",
    )
    role = models.CharField(max_length=16, blank=True)
    scopes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    tier = models.ForeignKey("apikeys.Tier", on_delete=models.PROTECT, null=True, blank=True)
    template = models.ForeignKey(
        "apikeys.KeyTemplate",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="keys",
        help_text="What it was made from, whose bounds still bind it.",
    )
    digest = DigestField(null=True)
    key_prefix = models.CharField(max_length=32, editable=False, help_text="What lists show.")
    metadata = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    quarantined_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    rotate_every_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty is never."
    )
    rotation_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    allowed_networks = ArrayField(
        models.CharField(max_length=43, validators=[validate_network]),
        default=list,
        blank=True,
        help_text="CIDR; empty is every address.",
    )
    purged_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API key"
        indexes = [of_slow_proofs("id", "apikey_slow")]
        constraints = [
            models.CheckConstraint(
                name="apikey_user_has_owner",
                condition=~Q(key_type=KeyType.USER) | Q(owner__isnull=False),
            ),
            models.CheckConstraint(
                name="apikey_service_has_name",
                condition=Q(owner__isnull=False) | ~Q(service_name=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.key_prefix})"

    @property
    def is_claimed(self) -> bool:
        return self.digest is not None

    def has_ended(self, at: datetime) -> bool:
        """Nothing opens it any more. One that is disabled may come back."""
        stopped = self.revoked_at or self.quarantined_at or self.purged_at
        return bool(stopped) or (self.expires_at is not None and self.expires_at <= at)

    def is_usable(self, at: datetime) -> bool:
        ended = self.revoked_at or self.quarantined_at or self.disabled_at
        return self.is_claimed and not ended and (self.expires_at is None or self.expires_at > at)


class RetiredSecret(models.Model):
    """A secret that rotation replaced and that still opens the key until its own end of grace."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="retired_secrets")
    digest = DigestField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["ends_at"], name="retired_ends"),
            of_slow_proofs("ends_at", "retired_slow"),
        ]

    def __str__(self) -> str:
        return f"retired secret of {self.key_id}"


class ForeignSecret(models.Model):
    """An imported secret of another system's form: it holds no key id, so it is found by
    ``lookup``: ``sha256:`` and the first 16 hex digits of its SHA-256, or ``text:`` and its first
    characters when an Argon2id hash of it was imported. Proven once, its digest is as our own are.
    """

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="foreign_secrets")
    format = models.CharField(max_length=16, help_text="What every such secret begins with.")
    lookup = models.CharField(max_length=32, db_index=True, editable=False)
    digest = DigestField()
    ends_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Set when a rotation retired it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["format"], name="foreign_format"),
            of_slow_proofs("ends_at", "foreign_slow"),
        ]

    def __str__(self) -> str:
        return f"foreign secret of {self.key_id}"
