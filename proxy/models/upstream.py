"""Upstream (a service requests may go to), Target (one address of it) and TargetCredential (one of
the secrets that are sent there)."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from momentry.common.crypto.fields import EncryptedField
from momentry.common.ids import uuid7
from momentry.common.validators import validate_base_url


class Injection(models.TextChoices):
    NONE = "none", "no credential"
    HEADER = "header", "header"
    BASIC = "basic", "HTTP Basic (user:password)"
    QUERY = "query", "query parameter"


class UsageFormat(models.TextChoices):
    """Whose API an upstream speaks: in that shape its clients are told of refusals."""

    NONE = "none", "none"
    OPENAI = "openai", "OpenAI"
    ANTHROPIC = "anthropic", "Anthropic"


def milliseconds(default: int, help_text: str) -> "models.PositiveIntegerField[int, int]":
    return models.PositiveIntegerField(
        default=default,
        validators=[MinValueValidator(1), MaxValueValidator(3_600_000)],
        help_text=f"{help_text} Milliseconds.",
    )


class Upstream(models.Model):
    """How a service is called. Its slug, in clients' URLs, grants and logs, never changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(
        max_length=60,
        unique=True,
        validators=[RegexValidator(r"\A[a-z0-9][a-z0-9-]*\Z", "Lower-case letters, digits, -.")],
    )
    name = models.CharField(max_length=100)
    is_active = models.BooleanField(default=True)
    injection = models.CharField(max_length=8, choices=Injection, default=Injection.NONE)
    injection_name = models.CharField(
        max_length=64,
        blank=True,
        default="Authorization",
        validators=[RegexValidator(r"\A[A-Za-z0-9_.-]*\Z", "Letters, digits, _ . -")],
        help_text="Header or query parameter that carries the credential.",
    )
    injection_template = models.CharField(
        max_length=100,
        blank=True,
        default="Bearer {credential}",
        validators=[RegexValidator(r"\A[ -~]*\Z", "Printable ASCII only.")],
    )
    connect_timeout_ms = milliseconds(5_000, "To a standing connection.")
    first_byte_timeout_ms = milliseconds(60_000, "From the request's end to the answer's head.")
    idle_timeout_ms = milliseconds(60_000, "Between two pieces of an answer.")
    total_timeout_ms = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Whole exchange, milliseconds. Empty is unlimited.",
    )
    max_body_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Largest request body. Empty is unlimited."
    )
    max_response_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Largest body of an answer. Empty is unlimited."
    )
    tls_verify = models.BooleanField(default=True)
    usage_format = models.CharField(max_length=10, choices=UsageFormat, default=UsageFormat.NONE)
    request_weight = models.PositiveSmallIntegerField(
        default=1,
        validators=[MaxValueValidator(1000)],
        help_text="Units that one call costs; 0 is free.",
    )
    max_retries = models.PositiveSmallIntegerField(
        default=2,
        db_default=2,
        validators=[MaxValueValidator(5)],
        help_text="Other targets that a request may go on to when one fails it; 0 is none.",
    )
    failure_threshold = models.PositiveSmallIntegerField(
        default=5,
        db_default=5,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="Failures in a row that put a target out.",
    )
    health_path = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator(r"\A(/[!-~]*)?\Z", "It begins with / and has no blanks.")],
        help_text="Asked of each target, under its base URL; an answer below 400 is health. "
        "Empty: only targets that are out are tried, by a connection.",
    )
    health_interval_ms = models.PositiveIntegerField(
        default=5_000,
        db_default=5_000,
        validators=[MinValueValidator(500), MaxValueValidator(3_600_000)],
        help_text="Between two looks at a target that is in. Milliseconds.",
    )
    header_rules = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="A list of action (set, add, remove), on (request, response), name, value.",
    )
    serves_v1 = models.BooleanField(
        "serves /v1",
        default=False,
        db_default=False,
        help_text="/v1/… leads here too, for OpenAI's clients. One upstream does, if any.",
    )
    models_only = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Calls that name none of its models are refused. Else they go on as they came.",
    )
    version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False, help_text="Rises with each change, targets too."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["serves_v1"], condition=models.Q(serves_v1=True), name="one_serves_v1"
            )
        ]

    def __str__(self) -> str:
        return self.slug


class Target(models.Model):
    """One base URL of an upstream; its path is put before the forwarded one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    upstream = models.ForeignKey(Upstream, on_delete=models.CASCADE, related_name="targets")
    base_url = models.CharField(max_length=200, validators=[validate_base_url])
    weight = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    # What releases before TargetCredential read; they may still run while processes are replaced.
    # Never written but to be emptied; its column goes in a later release.
    credential = EncryptedField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["base_url"]
        constraints = [models.UniqueConstraint(fields=["upstream", "base_url"], name="target_once")]

    def __str__(self) -> str:
        return self.base_url


class TargetCredential(models.Model):
    """Requests take a target's active ones by turns, so one replaces another without a pause."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="credentials")
    secret = EncryptedField(max_length=4096)
    label = models.CharField(max_length=60, blank=True, default="", help_text="Which one it is.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.label or str(self.id)
