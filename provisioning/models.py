"""InboxEvent (a webhook that was applied), WakeUp (a user to be looked at by REST), Reconciliation
(a comparison with a site), ProvisioningTask (what another system has to be told), SftpgoAccount (a
name and a home there) and ClaimLink (how a member fetches a key once)."""

from datetime import datetime

from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone

from momentry.common.ids import uuid7
from provisioning.tokens.models import ExternalToken

__all__ = ["ClaimLink", "ExternalToken", "InboxEvent", "Outcome"]


class Outcome(models.TextChoices):
    APPLIED = "applied", "applied"
    STALE = "stale", "stale"
    CONFLICT = "conflict", "conflict"


class InboxEvent(models.Model):
    """Written in its effect's transaction, so a repeated delivery finds it and does nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    site = models.ForeignKey("accounts.Site", on_delete=models.CASCADE)
    event_id = models.CharField(max_length=128)
    type = models.CharField(max_length=64)
    sequence = models.PositiveBigIntegerField()
    wordpress_id = models.PositiveBigIntegerField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome)
    member = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True)
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-received_at"]
        constraints = [models.UniqueConstraint(fields=["site", "event_id"], name="inbox_once")]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class WakeUp(models.Model):
    """Somebody says that this user changed: the relay asks WordPress what is so. One row per user,
    however often it is said; ``calls`` tells whether it was said again meanwhile."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    site = models.ForeignKey("accounts.Site", on_delete=models.CASCADE)
    wordpress_id = models.PositiveBigIntegerField()
    calls = models.PositiveIntegerField(default=1)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    last_error = models.CharField(max_length=200, blank=True)
    failed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["site", "wordpress_id"], name="wakeup_once")]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(failed_at=None), name="wakeup_due")
        ]

    def __str__(self) -> str:
        return f"user {self.wordpress_id} of {self.site_id}"


class Reconciliation(models.Model):
    """One comparison of a site's members with its users, and what was done about it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    site = models.ForeignKey("accounts.Site", on_delete=models.CASCADE)
    actor = models.CharField(max_length=64)
    is_dry_run = models.BooleanField(default=False)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)
    lines = models.JSONField(default=list, help_text="The first of what was found; no addresses.")
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.site_id} at {self.started_at:%Y-%m-%d %H:%M}"


class System(models.TextChoices):
    SFTPGO = "sftpgo", "SFTPGo"


class TaskState(models.TextChoices):
    PENDING = "pending", "pending"
    DONE = "done", "done"
    DEAD = "dead", "dead"


class ProvisioningTask(models.Model):
    """One system is to be brought to one member's current desired state, whatever that is when
    somebody acts. Each change of it raises ``desired_version``; ``done_version`` is the one that
    the system has."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="provisioning_tasks"
    )
    system = models.CharField(max_length=16, choices=System)
    state = models.CharField(max_length=8, choices=TaskState, default=TaskState.PENDING)
    desired_version = models.PositiveIntegerField(default=1)
    done_version = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="That failed in a row, and not because the system was away."
    )
    misses = models.PositiveSmallIntegerField(
        default=0, help_text="That found the system away in a row; they never end a task."
    )
    next_attempt_at = models.DateTimeField(db_default=Now())
    lease = models.UUIDField(null=True, editable=False, help_text="Of the worker that acts.")
    leased_until = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True, editable=False, help_text="The first time.")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["member", "system"], name="task_per_member_system")
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="task_due",
                condition=models.Q(state=TaskState.PENDING),
            ),
            models.Index(
                fields=["state"], name="task_dead", condition=models.Q(state=TaskState.DEAD)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.system} of {self.member_id}"


class SftpgoAccount(models.Model):
    """A member's name and home in SFTPGo, given once. The row outlives the member: whoever came
    later under the same name would find the files."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.OneToOneField(
        "accounts.User", on_delete=models.SET_NULL, null=True, related_name="sftpgo_account"
    )
    username = models.CharField(max_length=60)
    home_dir = models.CharField(max_length=512)
    adopted_at = models.DateTimeField(null=True, help_text="It was there before the member.")
    unwanted_at = models.DateTimeField(null=True, help_text="Since then it is to be removed there.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [  # file systems and people may take a and A for one
            models.UniqueConstraint(Lower("username"), name="sftpgo_username_once"),
            models.UniqueConstraint(Lower("home_dir"), name="sftpgo_home_once"),
        ]

    def __str__(self) -> str:
        return self.username


class Chance(models.TextChoices):
    KEY = "key", "key"
    PASSWORD = "password", "SFTP password"


class ClaimLink(models.Model):
    """One chance to fetch a key's secret, or to set the SFTP password of its owner. The link's
    token is derived, stored nowhere."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.ForeignKey("apikeys.ApiKey", on_delete=models.CASCADE, related_name="claims")
    chance = models.CharField(
        max_length=8, choices=Chance, default=Chance.KEY, db_default=Chance.KEY, editable=False
    )
    nonce = models.CharField(max_length=32, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, editable=False)
    voided_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="claim_chance_known", condition=models.Q(chance__in=Chance.values)
            )
        ]

    def __str__(self) -> str:
        return f"claim of {self.key_id}"

    def is_open(self, at: datetime) -> bool:
        return self.used_at is None and self.voided_at is None and self.expires_at > at
