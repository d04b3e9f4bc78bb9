"""KeyTemplate: what keys of one sort are made with, and how far one of them may differ."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from apikeys.models.key import KeyType
from momentry.common.validators import validate_network


def days_field(help_text: str) -> "models.PositiveIntegerField[int | None, int | None]":
    return models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text=help_text
    )


class KeyTemplate(models.Model):
    """Defaults for what an issuer leaves out; bounds for what they say. Bounds go on to hold when
    the key is changed. A bound that is empty binds nothing."""

    slug = models.SlugField(primary_key=True, max_length=32)
    description = models.CharField(max_length=500, blank=True)
    key_type = models.CharField(max_length=8, choices=KeyType, default=KeyType.USER)
    role = models.CharField(max_length=16, blank=True)
    scopes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    tier = models.ForeignKey("apikeys.Tier", on_delete=models.PROTECT, null=True, blank=True)
    expires_in_days = days_field("Empty: the tier decides.")
    rotate_every_days = days_field("Empty is never.")
    allowed_networks = ArrayField(
        models.CharField(max_length=43, validators=[validate_network]),
        default=list,
        blank=True,
        help_text="CIDR; empty is every address.",
    )
    metadata = models.JSONField(default=dict, blank=True)
    limits = models.JSONField(default=dict, blank=True, help_text="Overrides, by name.")
    grants = models.JSONField(
        default=list, blank=True, help_text="Of upstream, methods and paths, as in the API."
    )
    max_scopes = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, help_text="No key holds others."
    )
    max_days = days_field("No key ends later than so many days after it was made.")
    max_limits = models.JSONField(
        default=dict, blank=True, help_text="By name; no key has a higher limit, or none."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug
