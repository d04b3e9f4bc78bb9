"""Tier (limits by name), LimitOverride (those of one member or key) and Grant (which upstreams a
tier, a member or a key may call).
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone


def limit_field(help_text: str) -> "models.PositiveBigIntegerField[int | None, int | None]":
    return models.PositiveBigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1, "Leave it empty for unlimited; 0 is not a limit.")],
        help_text=f"{help_text} Empty is unlimited.",
    )


class RequestLimit(models.TextChoices):
    """The limits that a tier gives and a member or key may override, by name: on requests, and on
    what they take of budgets."""

    PER_SECOND = "requests_per_second", "requests per second"
    PER_MINUTE = "requests_per_minute", "requests per minute"
    PER_DAY = "requests_per_day", "requests per day"
    PER_MONTH = "requests_per_month", "requests per month"
    LIFETIME = "requests_lifetime", "requests in all"
    CONCURRENT = "concurrent_requests", "requests at a time"
    TOKENS_PER_DAY = "tokens_per_day", "tokens per day"
    TOKENS_PER_MONTH = "tokens_per_month", "tokens per month"
    TOKENS_LIFETIME = "tokens_lifetime", "tokens in all"
    COST_PER_DAY = "cost_micro_per_day", "millionths of cost per day"
    COST_PER_MONTH = "cost_micro_per_month", "millionths of cost per month"
    COST_LIFETIME = "cost_micro_lifetime", "millionths of cost in all"


LIMITS = (*RequestLimit.values, "storage_bytes", "key_lifetime_days")


class Tier(models.Model):
    """Limits that its members' and keys' counters take; it is no shared pool."""

    slug = models.SlugField(primary_key=True, max_length=32)
    name = models.CharField(max_length=64)
    requests_per_second = limit_field("Requests in one second of the clock.")
    requests_per_minute = limit_field("Requests in one minute of the clock.")
    requests_per_day = limit_field("Requests per calendar day.")
    requests_per_month = limit_field("Requests per calendar month.")
    requests_lifetime = limit_field("Requests in all.")
    concurrent_requests = limit_field("Requests that run at the same time.")
    tokens_per_day = limit_field("Tokens per calendar day.")
    tokens_per_month = limit_field("Tokens per calendar month.")
    tokens_lifetime = limit_field("Tokens in all.")
    cost_micro_per_day = limit_field("Cost per calendar day, in millionths of the currency.")
    cost_micro_per_month = limit_field("Cost per calendar month, in millionths of the currency.")
    cost_micro_lifetime = limit_field("Cost in all, in millionths of the currency.")
    storage_bytes = limit_field("Bytes of video.")
    key_lifetime_days = limit_field("Days a new key lives unless another end is given.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["requests_per_month", "slug"]
        constraints = [
            models.CheckConstraint(name=f"tier_{name}_positive", condition=Q(**{f"{name}__gt": 0}))
            for name in LIMITS
        ]

    def __str__(self) -> str:
        return self.name


class LimitOverride(models.Model):
    """A limit of one member's or one key's own, instead of its tier's. No row: the tier decides."""

    member = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="limit_overrides",
    )
    key = models.ForeignKey(
        "apikeys.ApiKey",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="limit_overrides",
    )
    name = models.CharField(max_length=24, choices=RequestLimit)
    value = limit_field("Instead of the tier's.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="override_one_subject",
                condition=Q(member__isnull=False, key__isnull=True)
                | Q(member__isnull=True, key__isnull=False),
            ),
            models.CheckConstraint(name="override_positive", condition=Q(value__gt=0)),
            models.UniqueConstraint(
                fields=["member", "key", "name"], name="override_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        value = "unlimited" if self.value is None else self.value
        return f"{self.member or self.key}: {value} {self.get_name_display()}"


class Grant(models.Model):
    """Leave to call one upstream. Empty methods, paths or models mean all of them."""

    tier = models.ForeignKey(
        Tier, on_delete=models.CASCADE, null=True, blank=True, related_name="grants"
    )
    member = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="grants",
    )
    key = models.ForeignKey(
        "apikeys.ApiKey", on_delete=models.CASCADE, null=True, blank=True, related_name="grants"
    )
    upstream = models.SlugField(max_length=60, help_text="Slug; it need not exist yet.")
    methods = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    paths = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Path prefixes inside the upstream, such as /v1/chat/.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Last: what follows in this class would take it for Django's.
    models = ArrayField(
        models.CharField(max_length=100),
        default=list,
        db_default=[],
        blank=True,
        help_text="Names of models, as calls say them.",
    )

    class Meta:
        ordering = ["upstream"]
        constraints = [
            models.CheckConstraint(
                name="grant_one_subject",
                condition=Q(tier__isnull=False, member__isnull=True, key__isnull=True)
                | Q(tier__isnull=True, member__isnull=False, key__isnull=True)
                | Q(tier__isnull=True, member__isnull=True, key__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["tier", "member", "key", "upstream"],
                name="grant_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier or self.member or self.key}: {self.upstream}"
