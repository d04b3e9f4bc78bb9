"""Unsubscription (what somebody does not want to be written about), StaffAlert and StaffDigest
(what staff were written to about)."""

from django.db import models
from django.db.models.functions import Now

from events.topics import Topic
from momentry.common.ids import uuid7


class Unsubscription(models.Model):
    """No row: the letters come. Of a member or of staff; events know neither."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.UUIDField(editable=False, help_text="The id of the account.")
    topic = models.CharField(max_length=12, choices=Topic, editable=False)
    since = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["member", "topic"], name="unsubscription_once")
        ]

    def __str__(self) -> str:
        return f"{self.topic} for {self.member}"


class StaffAlert(models.Model):
    """An event that staff were written to about; forgotten when it is too old to be looked for."""

    event = models.UUIDField(primary_key=True, editable=False)
    told_at = models.DateTimeField(editable=False, db_index=True)

    def __str__(self) -> str:
        return str(self.event)


class StaffDigest(models.Model):
    """The week that begins on this Monday was told."""

    week = models.DateField(primary_key=True)

    def __str__(self) -> str:
        return f"{self.week:%Y-%m-%d}"
