"""UpstreamModel: a model of a language or of something else that an upstream offers."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from momentry.common.ids import uuid7
from proxy.models.upstream import Upstream


class UpstreamModel(models.Model):
    """A model that an upstream offers under a name of our own choice."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    upstream = models.ForeignKey(Upstream, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(
        max_length=100,
        validators=[RegexValidator(r"\A[!-~]+\Z", "Printable ASCII without blanks.")],
        help_text="As clients say it.",
    )
    sent_as = models.CharField(
        max_length=100,
        blank=True,
        default="",
        validators=[RegexValidator(r"\A[!-~]*\Z", "Printable ASCII without blanks.")],
        help_text="The upstream's own name of it. Empty: the same.",
    )
    # Not keys of targets: with the last one gone a model would be served by all others.
    targets = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Base URLs of the targets that serve it. Empty: all of them.",
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["upstream", "name"], name="model_once")]

    def __str__(self) -> str:
        return f"{self.upstream} {self.name}"
