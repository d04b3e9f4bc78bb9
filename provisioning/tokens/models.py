"""ExternalToken: a credential of another system, sealed, and what that system last said of it."""

from typing import Final

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from momentry.common.crypto.fields import EncryptedField
from momentry.common.ids import uuid7
from momentry.common.validators import validate_base_url

MAX_SECRET: Final = 16_000
"""n8n's keys are JWTs of any length; a head that Node accepts (16 KiB) is the end of it."""


class Provider(models.TextChoices):
    GITEA = "gitea", "Gitea"
    N8N = "n8n", "n8n"
    SFTPGO = "sftpgo", "SFTPGo"
    WORDPRESS = "wordpress", "WordPress"


class State(models.TextChoices):
    """``limited``: it opens the door, but not every room behind it."""

    UNVERIFIED = "unverified", "unverified"
    VALID = "valid", "valid"
    LIMITED = "limited", "limited"
    BROKEN = "broken", "broken"
    UNREACHABLE = "unreachable", "unreachable"


class ExternalToken(models.Model):
    """Of a member, or (without an owner) of this service. Its label tells it from the others."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        "accounts.User",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="external_tokens",
        help_text="Empty: of this service itself.",
    )
    provider = models.CharField(max_length=10, choices=Provider)
    label = models.CharField(
        max_length=100,
        validators=[RegexValidator(r"\A[^\x00-\x1f\x7f]+\Z", "No control characters.")],
    )
    base_url = models.CharField(max_length=200, validators=[validate_base_url])
    username = models.CharField(
        max_length=150,
        blank=True,
        validators=[RegexValidator(r"\A[^\x00-\x1f\x7f:]*\Z", "No control characters, no colon.")],
        help_text="Whose it is there. WordPress needs it; Gitea needs it to take a token back.",
    )
    token = EncryptedField(max_length=MAX_SECRET)
    scopes = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Read from it, if it tells.")
    state = models.CharField(max_length=11, choices=State, default=State.UNVERIFIED)
    reason = models.CharField(max_length=200, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True, help_text="When it was judged last.")
    tried_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was asked about last."
    )
    broken_since = models.DateTimeField(null=True, blank=True)
    history = models.JSONField(default=list, blank=True, help_text="The last states, newest first.")
    version = models.PositiveIntegerField(
        default=1, help_text="Rises with each change, not with verifications."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "provider", "label"],
                name="external_token_label",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.label}"
