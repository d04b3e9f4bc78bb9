"""A key's life between issue and purge: disabled, enabled, quarantined. Revoking is in keys.py."""

from typing import Any, Final

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.services.makers import Maker, check_rights
from apikeys.services.owners import LIVE, write_to_owner
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

ALIVE: Final[dict[str, Any]] = {"revoked_at": None, "quarantined_at": None, "purged_at": None}
ENDED: Final = "This key has ended for good."


@transaction.atomic
def disable_key(key: ApiKey, *, actor: str) -> bool:
    """Stop the key for a while. False when it was disabled; MomentryError conflict when ended."""
    rows = ApiKey.objects.filter(pk=key.pk, disabled_at=None, **ALIVE)
    changed = change(rows, disabled_at=timezone.now())
    return noted(changed, key, Kind.APIKEY_DISABLED, actor=actor)


@transaction.atomic
def enable_key(key: ApiKey, *, maker: Maker) -> bool:
    """Let it work again. False when it was not disabled; conflict when it has ended. That hands
    its rights back: insufficient_scope or permission_denied unless the maker could hand them out.
    """
    check_rights(maker, ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk))
    rows = ApiKey.objects.filter(pk=key.pk, disabled_at__isnull=False, **ALIVE)
    return noted(change(rows, disabled_at=None), key, Kind.APIKEY_ENABLED, actor=maker.actor)


@transaction.atomic
def quarantine_key(key: ApiKey, *, actor: str, reason: str = "", tells_owner: bool = True) -> bool:
    """End a key that leaked, with all its secrets, and tell its owner. There is no way back: issue
    another one. ``tells_owner``: False where the caller's own letter says more.
    False when it was quarantined already; conflict when it was revoked."""
    rows = ApiKey.objects.filter(pk=key.pk, **ALIVE)
    changed = change(rows, quarantined_at=timezone.now())
    if not changed and ApiKey.objects.filter(pk=key.pk, revoked_at=None).exists():
        return False
    if changed and tells_owner:
        found = ApiKey.objects.select_related("owner").get(pk=key.pk)
        write_to_owner(found, "key_quarantined", among=LIVE)
    details = {"reason": reason} if reason else {}
    return noted(changed, key, Kind.APIKEY_QUARANTINED, actor=actor, **details)


def change(rows: QuerySet[ApiKey], **values: Any) -> bool:
    """One conditional UPDATE: of two at once one changes the row."""
    return bool(rows.update(version=F("version") + 1, **values))


def noted(changed: bool, key: ApiKey, kind: Kind, *, actor: str, **details: Any) -> bool:
    """The event of a change; without one, conflict when the key could not change any more."""
    if changed:
        record(kind, actor=actor, subject=f"key:{key.pk.hex}", **details)
    elif not ApiKey.objects.filter(pk=key.pk, **ALIVE).exists():
        raise MomentryError("conflict", ENDED)
    return changed
