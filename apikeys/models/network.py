"""IpRule: addresses that are blocked before any key is looked at, or let in in spite of a block."""

from django.db import models
from django.utils import timezone

from momentry.common.validators import validate_network


class RuleKind(models.TextChoices):
    BLOCK = "block", "block"
    ALLOW = "allow", "allow"


class IpRule(models.Model):
    """The narrowest network that holds an address decides; with none the address is let in."""

    network = models.CharField(
        max_length=43, unique=True, validators=[validate_network], help_text="CIDR, v4 or v6."
    )
    kind = models.CharField(max_length=5, choices=RuleKind, default=RuleKind.BLOCK)
    note = models.CharField(max_length=200, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["network"]

    def __str__(self) -> str:
        return f"{self.kind} {self.network}"
