"""Members, staff and the WordPress sites members come from; keys are not here."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from momentry.common.crypto.fields import EncryptedField
from momentry.common.ids import uuid7
from momentry.common.validators import validate_base_url

DEFAULT_STORAGE_BYTES = 10 * 1024**3


class Scheme(models.TextChoices):
    """How a site signs. Only the first says what happened; the others say whom to look at."""

    STANDARD = "standard", "momentry's plugin (Standard Webhooks)"
    WOOCOMMERCE = "woocommerce", "WooCommerce"
    WPWEBHOOKS = "wpwebhooks", "WP Webhooks"


class Site(models.Model):
    """One WordPress that registers members here; it signs its webhooks with its own secret."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100)
    url = models.CharField(max_length=200, unique=True, validators=[validate_base_url])
    scheme = models.CharField(
        max_length=12, choices=Scheme, default=Scheme.STANDARD, db_default=Scheme.STANDARD
    )
    webhook_secret = EncryptedField(help_text="whsec_… of Standard Webhooks; never shown again.")
    webhook_secret_previous = EncryptedField(
        null=True, blank=True, help_text="Still accepted, while the site gets the new one."
    )
    rest_username = models.CharField(max_length=60, blank=True, db_default="")
    rest_password = EncryptedField(
        null=True, blank=True, help_text="An Application Password; never shown again."
    )
    disabled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Those that may sign now."""
        return tuple(
            secret for secret in (self.webhook_secret, self.webhook_secret_previous) if secret
        )


class Status(models.TextChoices):
    PENDING = "pending", "pending"
    ACTIVE = "active", "active"
    SUSPENDED = "suspended", "suspended"
    DELETED = "deleted", "deleted"


LIVE = (Status.ACTIVE, Status.SUSPENDED)


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        """Among live rows, whatever the case: what the login form and createsuperuser ask."""
        return self.get(username__iexact=username, status__in=LIVE)

    def create_superuser(self, username: str, password: str, **fields: Any) -> "User":
        user = self.model(username=username, is_staff=True, is_superuser=True, **fields)
        user.set_password(password)
        user.full_clean()
        user.save()
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A member (from WordPress or made by staff, no usable password) or staff (no WordPress id)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, blank=True)
    wordpress_id = models.PositiveBigIntegerField(null=True, blank=True)
    last_sequence = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Newest webhook of this member that was applied."
    )
    wordpress_username = models.CharField(
        max_length=60, blank=True, default="", db_default="", editable=False,
        help_text="What WordPress says where staff chose another name; empty: the same.",
    )  # fmt: skip
    wordpress_email = models.CharField(
        max_length=100, blank=True, default="", db_default="", editable=False
    )
    username = models.CharField(max_length=60)
    email = models.EmailField(max_length=100, blank=True)
    display_name = models.CharField(max_length=250, blank=True)
    locale = models.CharField(max_length=16, blank=True)
    tier = models.SlugField(max_length=32, default="starter")
    quota_size = models.PositiveBigIntegerField(
        null=True, blank=True, default=DEFAULT_STORAGE_BYTES, help_text="Bytes; empty is unlimited."
    )
    quota_daily = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Bytes registered in any 24 hours; empty is unlimited."
    )
    quota_used = models.PositiveBigIntegerField(default=0, editable=False)
    quota_reserved = models.PositiveBigIntegerField(default=0, editable=False)
    sftpgo_username = models.CharField(max_length=60, null=True, blank=True, unique=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=200, blank=True)
    # Beside the status: a conflict or a deletion in between must not undo a suspension.
    suspended_by = models.CharField(
        max_length=60, blank=True, default="", db_default="", editable=False,
        help_text="Who suspended, as events name them; empty when nobody did.",
    )  # fmt: skip
    suspension_reason = models.CharField(
        max_length=200, blank=True, default="", db_default="", editable=False
    )
    welcome_due = models.BooleanField(
        default=False, db_default=False, editable=False,
        help_text="The welcome is still to be sent.",
    )  # fmt: skip
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    purged_at = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="Personal data erased; the tombstone stays.",
    )  # fmt: skip
    version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False, help_text="Rises with each change; the ETag."
    )
    is_staff = models.BooleanField(default=False, help_text="May log in to the admin.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    objects = UserManager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "member"
        constraints = [
            models.UniqueConstraint(fields=["site", "wordpress_id"], name="user_per_site"),
            models.UniqueConstraint(
                Lower("username"), name="user_username_live", condition=Q(status__in=LIVE)
            ),
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_live",
                condition=Q(status__in=LIVE) & ~Q(email=""),
            ),
            models.CheckConstraint(
                name="user_site_with_wordpress_id",
                condition=Q(site__isnull=True, wordpress_id__isnull=True)
                | Q(site__isnull=False, wordpress_id__isnull=False),
            ),
            models.CheckConstraint(name="user_status_known", condition=Q(status__in=Status.values)),
        ]
        indexes = [
            models.Index(fields=["id"], name="user_pending", condition=Q(status=Status.PENDING))
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def is_active(self) -> bool:  # type: ignore[override]  # Django's own says: override it
        """What Django's session and permission machinery asks; derived, never stored."""
        return self.status == Status.ACTIVE

    @property
    def is_member(self) -> bool:
        return not self.is_staff

    @property
    def is_local(self) -> bool:
        """Made here, so the profile is changed here; WordPress is the source of its own."""
        return self.wordpress_id is None
