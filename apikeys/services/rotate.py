"""Rotation: a new secret for the same key; the old one opens it until its own end of grace."""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apikeys import foreign, keyformat
from apikeys.models import ApiKey, RetiredSecret
from apikeys.services.bounds import check_still_inside
from apikeys.services.hashing import digest_of
from apikeys.services.issue import rotation_due
from apikeys.services.keys import IssuedKey, mint, prefix_of
from apikeys.services.life import ALIVE
from apikeys.services.makers import Maker, check_makes_keys, check_within, specs_of
from apikeys.services.overrides import overrides_of
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

MAX_GRACE: Final = timedelta(days=30)
# Each retired secret is one more digest that every call with the key compares.
MAX_RETIRED: Final = 10


@transaction.atomic
def rotate_key(key: ApiKey, *, maker: Maker, grace: timedelta | None = None) -> IssuedKey:
    """The key with a new secret. ``grace``: how long the old one stays good, 0 to 30 days; 0 ends
    it at once. Secrets retired earlier keep their own ends.

    MomentryError conflict when the key is unclaimed or has ended, or another rotation won.
    """
    grace = settings.KEY_ROTATION_GRACE if grace is None else grace
    now = timezone.now()
    key = lock(key)
    overrides = overrides_of(key.limit_overrides.all())
    check_still_inside(key, overrides)
    if maker.key is None or maker.key.pk != key.pk:
        check_makes_keys(maker)
        check_within(maker, key, specs_of(key.grants.all()), overrides)
    old = None if key.digest == foreign.ONLY else key.digest
    secret = mint(key, now)
    replace(key, digest_of(secret), now)
    if grace and old is not None:
        retire(key, old, now, now + grace)
    retire_foreign(key, now, now + grace)
    record(
        Kind.APIKEY_ROTATED,
        actor=maker.actor,
        subject=f"key:{key.pk.hex}",
        grace_seconds=int(grace.total_seconds()),
    )
    return IssuedKey(key, secret)


def lock(key: ApiKey) -> ApiKey:
    """As it is now, and so it stays: a digest that was stored anew on use is no other rotation."""
    rows = ApiKey.objects.select_related("owner").select_for_update(of=("self",), no_key=True)
    return rows.get(pk=key.pk)


def replace(key: ApiKey, digest: str, now: datetime) -> None:
    """Only over the digest that was read, and only while the key lives: a rotation that races a
    revoke never brings it back, and of two that race each other one is told."""
    alive = Q(expires_at=None) | Q(expires_at__gt=now)
    due = rotation_due(key, now)
    prefix = keyformat.mask(prefix_of(key), key.pk)
    changed = ApiKey.objects.filter(
        alive, pk=key.pk, digest__isnull=False, digest=key.digest, **ALIVE
    ).update(digest=digest, version=F("version") + 1, rotation_due_at=due, key_prefix=prefix)
    if not changed:
        raise MomentryError("conflict", why_not(key, now))
    key.refresh_from_db()


def why_not(key: ApiKey, now: datetime) -> str:
    if key.digest is None:
        return "This key was not claimed yet: it has no secret to rotate."
    if key.expires_at is not None and key.expires_at <= now:
        return "This key has expired; give it a later end first."
    if key.revoked_at or key.quarantined_at:
        return "This key has ended for good."
    return "This key changed meanwhile; look at it again."


def retire(key: ApiKey, digest: str, now: datetime, ends_at: datetime) -> None:
    """Keep the old digest to its end; the row lock of the update makes the count exact."""
    key.retired_secrets.filter(ends_at__lte=now).delete()
    if key.retired_secrets.count() >= MAX_RETIRED:
        raise MomentryError(
            "conflict",
            f"{MAX_RETIRED} old secrets are in their grace; rotate with grace 0, or wait.",
        )
    RetiredSecret.objects.create(key=key, digest=digest, ends_at=ends_at)


def retire_foreign(key: ApiKey, now: datetime, ends_at: datetime) -> None:
    """Imported secrets open the key to the same end; those that a grace of 0 ends go at once."""
    key.foreign_secrets.filter(ends_at=None).update(ends_at=ends_at)
    key.foreign_secrets.filter(ends_at__lte=now).delete()
