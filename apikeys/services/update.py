"""Change a key's settings: only what is named changes, and only what changes is recorded."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.services.issue import rotation_due, save_grants
from apikeys.services.life import ENDED
from apikeys.services.makers import Maker, check_within, specs_of
from apikeys.services.wanted import (
    check_end,
    check_grants,
    check_metadata,
    check_role,
    known_scopes,
)
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

# Whoever changes these decides what the key may do, and has to hold all of it.
RIGHTS: Final = frozenset({"role", "scopes", "tier_id", "expires_at", "allowed_networks", "grants"})


@transaction.atomic
def update_key(
    key_id: UUID,
    wanted: Mapping[str, Any],
    *,
    maker: Maker,
    versions: frozenset[int] | None = None,
) -> ApiKey:
    """The key as it is now. ``versions``: those the caller has seen, or MomentryError
    precondition_failed; conflict when the key has ended."""
    rows = ApiKey.objects.select_for_update(of=("self",)).select_related("owner")
    key = rows.get(pk=key_id)
    if versions is not None and key.version not in versions:
        raise MomentryError("precondition_failed", f"The key is at version {key.version} now.")
    if key.revoked_at or key.quarantined_at or key.purged_at:
        raise MomentryError("conflict", ENDED)
    changes = apply(key, wanted)
    if changes:
        save(key, changes, maker)
    return key


def apply(key: ApiKey, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Set what differs on the row, and say what it was; ``grants`` are compared as a set."""
    given = dict(wanted)
    if "scopes" in given:
        given["scopes"] = known_scopes(given["scopes"], key.key_type)
    grants = given.pop("grants", None)
    changes = {name: value for name, value in given.items() if getattr(key, name) != value}
    for name, value in changes.items():
        setattr(key, name, value)
    if grants is not None and set(grants) != set(specs_of(key.grants.all())):
        check_grants(grants)
        changes["grants"] = grants
    return changes


def save(key: ApiKey, changes: dict[str, Any], maker: Maker) -> None:
    now = timezone.now()
    check_role(key)
    check_metadata(key.metadata)
    if "expires_at" in changes:
        check_end(key.expires_at, now)
    if RIGHTS & set(changes):
        kept = specs_of(key.grants.all())
        check_within(maker, key, changes.get("grants", kept))
    if "rotate_every_days" in changes:
        key.rotation_due_at = rotation_due(key, now)
    key.version += 1
    key.full_clean()
    key.save()
    if "grants" in changes:
        key.grants.all().delete()
        save_grants(key, changes["grants"])
    fields = sorted(name.removesuffix("_id") for name in changes)
    record(Kind.APIKEY_UPDATED, actor=maker.actor, subject=f"key:{key.pk.hex}", fields=fields)
