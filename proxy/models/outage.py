"""Targets that gateway processes have put out, and which of them events have told."""

from django.db import models

from proxy.models.upstream import Target


class Outage(models.Model):
    """A target that one gateway process has put out. The row goes when it is back there, and means
    nothing once its process has ended."""

    target = models.ForeignKey(
        Target, on_delete=models.CASCADE, db_constraint=False, related_name="outages"
    )
    process = models.CharField(max_length=80)
    since = models.DateTimeField()
    reason = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["target", "process"], name="outage_once"),
        ]

    def __str__(self) -> str:
        return f"{self.target_id} in {self.process}"


class DownTarget(models.Model):
    """A target that is out somewhere, as events have told it: proxy.services.outages."""

    target = models.OneToOneField(
        Target, on_delete=models.CASCADE, primary_key=True, related_name="down"
    )
    since = models.DateTimeField()
    reason = models.CharField(max_length=100)

    def __str__(self) -> str:
        return f"{self.target_id} since {self.since:%Y-%m-%d %H:%M:%S}"
