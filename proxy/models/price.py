"""Price: what the tokens of a model cost."""

from typing import Any, Final

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from momentry.common.ids import uuid7
from proxy.models.upstream import Upstream

MOST_MICRO: Final = 10**12  # for a million tokens: a unit of the currency for each


def millionths(help_text: str, **given: Any) -> "models.PositiveBigIntegerField[Any, Any]":
    return models.PositiveBigIntegerField(
        validators=[MaxValueValidator(MOST_MICRO)],
        help_text=f"{help_text} Millionths of the currency for 1,000,000 tokens.",
        **given,
    )


class Price(models.Model):
    """Of the model with this name, or of all whose names begin so (``*`` at the end), from a time
    on. The longest match counts; of equals the upstream's own, then the latest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    upstream = models.ForeignKey(
        Upstream,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="prices",
        help_text="Empty: all of them.",
    )
    model = models.CharField(
        max_length=100,
        validators=[RegexValidator(r"\A(?=.)[^*\x00-\x1f\x7f]*\*?\Z", "A * at the end only.")],
        help_text="As the upstream names it; a * at the end stands for anything.",
    )
    input_micro = millionths("What is read.")
    cached_micro = millionths(
        "What is read from a cache; empty: as what is read.", null=True, blank=True
    )
    output_micro = millionths("What is written, reasoning too.")
    max_tokens = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(10**9)],
        help_text="Of one answer, where the call does not say; held of budgets. Empty: 4,096.",
    )
    effective_from = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["model", "-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["upstream", "model", "effective_from"],
                name="price_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.upstream or '*'} {self.model}"
