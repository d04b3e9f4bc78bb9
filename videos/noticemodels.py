"""StorageNotice: what a member was told of the storage."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

LEVELS = (80, 95, 100)


class StorageNotice(models.Model):
    """That much was said, and is not said again while the row is there: it goes when the share
    falls below the level by a margin."""

    member = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="storage_notices"
    )
    level = models.PositiveSmallIntegerField(help_text="Per cent of the quota.")
    said_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "level"], name="notice_once"),
            models.CheckConstraint(name="notice_level_known", condition=Q(level__in=LEVELS)),
        ]

    def __str__(self) -> str:
        return f"{self.level} %"
