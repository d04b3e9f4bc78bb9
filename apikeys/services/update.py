"""Change a key's settings: only what is named changes, and only what changes is recorded."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.services.bounds import check_bounds, with_bounds
from apikeys.services.issue import rotation_due, save_grants
from apikeys.services.life import ENDED
from apikeys.services.makers import Maker, check_within, specs_of
from apikeys.services.overrides import Overrides, overrides_of, save_overrides
from apikeys.services.wanted import (
    check_end,
    check_grants,
    check_metadata,
    check_overrides,
    check_role,
    known_scopes,
)
from events.changes import changes, without_ids
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

# Whoever changes these decides what the key may do, and has to hold all of it.
RIGHTS: Final = frozenset(
    {
        "role", "scopes", "tier_id", "expires_at", "allowed_networks", "grants", "limit_overrides",
    }
)  # fmt: skip


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
    rows = ApiKey.objects.select_for_update(of=("self",)).select_related("owner", "template")
    key = rows.get(pk=key_id)
    if versions is not None and key.version not in versions:
        raise MomentryError("precondition_failed", f"The key is at version {key.version} now.")
    if key.revoked_at or key.quarantined_at or key.purged_at:
        raise MomentryError("conflict", ENDED)
    before = told(key, wanted)
    changed = apply(key, wanted)
    if changed:
        save(key, changed, maker)
        note(key, before, changed, maker)
    return key


def apply(key: ApiKey, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Set what differs on the row, and say what; ``grants`` are compared as a set."""
    given = dict(wanted)
    if "scopes" in given:
        given["scopes"] = known_scopes(given["scopes"], key.key_type)
    grants, overrides = given.pop("grants", None), given.pop("limit_overrides", None)
    changed = {name: value for name, value in given.items() if getattr(key, name) != value}
    for name, value in changed.items():
        setattr(key, name, value)
    if grants is not None and set(grants) != set(specs_of(key.grants.all())):
        check_grants(grants)
        changed["grants"] = grants
    if overrides is not None:
        changed |= apply_overrides(key, overrides)
    return changed


def apply_overrides(key: ApiKey, wanted: Overrides) -> dict[str, Any]:
    check_overrides(wanted)
    wanted = with_bounds(key, key.template, wanted)
    same = wanted == overrides_of(key.limit_overrides.all())
    return {} if same else {"limit_overrides": wanted}


def save(key: ApiKey, changed: dict[str, Any], maker: Maker) -> None:
    now = timezone.now()
    check_role(key)
    check_metadata(key.metadata)
    if "expires_at" in changed:
        check_end(key.expires_at, now)
    if RIGHTS & set(changed):
        check_rights(key, changed, maker)
    if "rotate_every_days" in changed:
        key.rotation_due_at = rotation_due(key, now)
    key.version += 1
    key.full_clean()
    key.save()
    if "grants" in changed:
        key.grants.all().delete()
        save_grants(key, changed["grants"])
    if "limit_overrides" in changed:
        save_overrides(changed["limit_overrides"], key=key)


def told(key: ApiKey, names: Iterable[str]) -> dict[str, Any]:
    """What these settings are."""
    listed: dict[str, Callable[[], Any]] = {
        "grants": lambda: [spec._asdict() for spec in specs_of(key.grants.all())],
        "limit_overrides": lambda: overrides_of(key.limit_overrides.all()),
    }
    return {name: listed[name]() if name in listed else getattr(key, name) for name in names}


def note(key: ApiKey, before: Mapping[str, Any], changed: Iterable[str], maker: Maker) -> None:
    change = changes(without_ids(before), without_ids(told(key, changed)))
    record(Kind.APIKEY_UPDATED, actor=maker.actor, subject=f"key:{key.pk.hex}", **change)


def check_rights(key: ApiKey, changed: dict[str, Any], maker: Maker) -> None:
    grants = changed.get("grants", specs_of(key.grants.all()))
    kept = overrides_of(key.limit_overrides.all())
    overrides = changed.get("limit_overrides", kept)
    check_bounds(key, overrides, set(changed))
    check_within(maker, key, grants, overrides)
