"""Tier (limits by name) and Grant (which upstreams a tier, a member or a key may call)."""

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


LIMITS = ("requests_per_day", "requests_per_month", "storage_bytes", "key_lifetime_days")


class Tier(models.Model):
    """Limits that its members' and keys' counters take; it is no shared pool."""

    slug = models.SlugField(primary_key=True, max_length=32)
    name = models.CharField(max_length=64)
    requests_per_day = limit_field("Requests per calendar day.")
    requests_per_month = limit_field("Requests per calendar month.")
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


class Grant(models.Model):
    """Leave to call one upstream. Empty methods or paths mean all of them."""

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
