"""Refusals on their way to an event, and how many of this hour events have told already."""

from django.db import models


class Refusal(models.Model):
    """One, or several alike that share a row of the request log. It waits for the relay, which
    takes it away in the transaction of the event that tells it. Plain values, no foreign keys."""

    at = models.DateTimeField()
    code = models.CharField(max_length=40)
    request_id = models.UUIDField(null=True)
    client_address = models.GenericIPAddressField(null=True)
    key_id = models.UUIDField(null=True)
    member_id = models.UUIDField(null=True)
    staff_id = models.UUIDField(null=True)
    count = models.PositiveBigIntegerField(default=1)

    class Meta:
        db_table = "events_refusal"

    def __str__(self) -> str:
        return f"{self.code} {self.at:%Y-%m-%d %H:%M:%S}"


class RefusalTally(models.Model):
    """Refusals of one code, network, key and staff in one hour. ``count`` and what stands beside it
    are of those that no event tells yet."""

    hour = models.DateTimeField()
    code = models.CharField(max_length=40)
    network = models.CharField(max_length=43, blank=True, help_text="Empty: of several, or none.")
    key_id = models.UUIDField(null=True)
    member_id = models.UUIDField(null=True)
    staff_id = models.UUIDField(null=True)
    count = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    requests = models.JSONField(default=list, help_text="Ids of some of them.")
    told_at = models.DateTimeField(null=True, help_text="When an event first told of it.")
    ended_at = models.DateTimeField(
        null=True, help_text="When one last told of what came after that; the hour was over."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "code", "network", "key_id", "staff_id"],
                name="refusaltally_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.network} {self.hour:%Y-%m-%d %H}"
