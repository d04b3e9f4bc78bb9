"""Issue a key to order: the row, its grants and its secret in one transaction."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import Status, User
from apikeys import keyformat
from apikeys.gate.scopes import MEMBER_SCOPES
from apikeys.models import ApiKey, Grant, KeyType, Tier
from apikeys.services.bounds import check_bounds, fill, narrow, template_named, with_bounds
from apikeys.services.hashing import digest_of
from apikeys.services.keys import IssuedKey, mint, prefix_of, tier_expiry
from apikeys.services.makers import Maker, check_makes_keys, check_within, specs_of
from apikeys.services.overrides import Overrides, overrides_of, save_overrides
from apikeys.services.wanted import (
    GrantSpec,
    NewKey,
    check_end,
    check_grants,
    check_metadata,
    check_overrides,
    check_role,
    known_scopes,
    refuse,
    type_of,
)
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from momentry.common.fence.note import note_keys
from momentry.common.scopes import holds

KEYS_PER_MEMBER: Final = 100
Grants = tuple[GrantSpec, ...]


class Rights(NamedTuple):
    """What a key gets in rows of its own."""

    grants: Grants
    overrides: Overrides


def issue_key(new: NewKey, *, maker: Maker) -> IssuedKey:
    """A key with its secret. MomentryError invalid_input when it cannot be, insufficient_scope,
    upstream_forbidden or permission_denied when it would hold more than its maker."""
    issued = make_key(new, maker=maker)
    note_keys([issued.key.pk])
    return issued


@transaction.atomic
def make_key(new: NewKey, *, maker: Maker) -> IssuedKey:
    """As issue_key; that gateways learn of it is the caller's matter."""
    now = timezone.now()
    key, rights = prepare(new, maker, now)
    secret = mint(key, now)
    key.digest = digest_of(secret)
    keep(key, rights, maker)
    return IssuedKey(key, secret)


def prepare(new: NewKey, maker: Maker, now: datetime) -> tuple[ApiKey, Rights]:
    """The row and what goes with it, not saved yet and without a secret; its owner is locked."""
    check_makes_keys(maker)
    template = template_named(new.template)
    new = fill(new, template)
    key = build(new, lock_owner(new), maker, now)
    key.template = template
    if template is not None:
        narrow(key, template, new)
    grants = grants_for(new, maker)
    overrides = with_bounds(key, template, overrides_for(new, maker))
    check_bounds(key, overrides)
    check_within(maker, key, grants, overrides)
    return key, Rights(grants, overrides)


def keep(key: ApiKey, rights: Rights, maker: Maker) -> None:
    # Asked of the database these cost six queries a key: type_of saw to the constraints.
    key.full_clean(validate_unique=False, validate_constraints=False)
    key.save(force_insert=True)
    save_grants(key, rights.grants)
    if rights.overrides:
        save_overrides(rights.overrides, key=key)
    record(
        Kind.APIKEY_CREATED,
        actor=maker.actor,
        subject=f"key:{key.pk.hex}",
        name=key.name,
        type=key.key_type,
    )


def lock_owner(new: NewKey) -> User | None:
    """The owner, active and staying so until this transaction ends."""
    if new.owner_id is None:
        return None
    owner = User.objects.select_for_update(no_key=True).filter(pk=new.owner_id).first()
    if owner is None or owner.status != Status.ACTIVE:
        refuse("owner", "must be an active member")
    return owner


def build(new: NewKey, owner: User | None, maker: Maker, now: datetime) -> ApiKey:
    key = ApiKey(
        name=new.name,
        description=new.description,
        owner=owner,
        service_name=new.service_name,
        key_type=type_of(new),
        role=new.role,
        tier=tier_named(new.tier),
        metadata=new.metadata,
        allowed_networks=list(new.allowed_networks),
        rotate_every_days=new.rotate_every_days,
    )
    check_role(key)
    check_metadata(key.metadata)
    key.scopes = scopes_for(new, key, maker)
    key.expires_at = new.expires_at
    if not new.end_given and new.expires_at is None:
        key.expires_at = usual_end(key, now)
    inherit(maker.member_key, key, new)
    check_end(key.expires_at, now)
    key.rotation_due_at = rotation_due(key, now)
    key.key_prefix = keyformat.mask(prefix_of(key), key.pk)
    return key


def tier_named(slug: str | None) -> Tier | None:
    if slug is None:
        return None
    return Tier.objects.filter(pk=slug).first() or refuse("tier", "is not a tier")


def scopes_for(new: NewKey, key: ApiKey, maker: Maker) -> list[str]:
    """Those asked for; else a member's usual ones, as far as the maker holds them."""
    if new.scopes is not None:
        return known_scopes(new.scopes, key.key_type)
    if key.key_type != KeyType.USER:
        return []
    return sorted(scope for scope in MEMBER_SCOPES if holds(maker.held, scope))


def usual_end(key: ApiKey, now: datetime) -> datetime | None:
    slug = key.tier_id or (key.owner.tier if key.owner else "")
    return tier_expiry(slug, now) if slug else None


def inherit(mine: ApiKey | None, key: ApiKey, new: NewKey) -> None:
    """What a member did not say, the key they call with says: it never gets wider that way."""
    if mine is None:
        return
    if not new.end_given and mine.expires_at is not None:
        key.expires_at = min(key.expires_at or mine.expires_at, mine.expires_at)
    key.tier_id = key.tier_id or mine.tier_id
    key.allowed_networks = key.allowed_networks or list(mine.allowed_networks)


def grants_for(new: NewKey, maker: Maker) -> Grants:
    if new.grants is None:
        return tuple(specs_of(maker.member_key.grants.all())) if maker.member_key else ()
    check_grants(new.grants)
    return new.grants


def overrides_for(new: NewKey, maker: Maker) -> Overrides:
    """Those said; a member's key hands on its own where it says none."""
    check_overrides(new.limit_overrides)
    mine = overrides_of(maker.member_key.limit_overrides.all()) if maker.member_key else {}
    return {**mine, **new.limit_overrides}


def rotation_due(key: ApiKey, now: datetime) -> datetime | None:
    days = key.rotate_every_days
    return None if days is None else now + timedelta(days=days)


def save_grants(key: ApiKey, grants: Grants) -> None:
    rows = [
        Grant(
            key=key,
            upstream=spec.upstream,
            methods=list(spec.methods),
            paths=list(spec.paths),
            models=list(spec.models),
        )
        for spec in grants
    ]
    for row in rows:
        row.full_clean(exclude=["key"], validate_unique=False, validate_constraints=False)
    Grant.objects.bulk_create(rows)


@transaction.atomic
def issue_own_key(new: NewKey, *, maker: Maker) -> IssuedKey:
    """A member's key made with a key of the same member; a member has room for so many."""
    issued = issue_key(new, maker=maker)
    now = timezone.now()
    alive = ApiKey.objects.filter(owner_id=new.owner_id, revoked_at=None, quarantined_at=None)
    if alive.filter(Q(expires_at=None) | Q(expires_at__gt=now)).count() > KEYS_PER_MEMBER:
        raise MomentryError("conflict", f"A member has at most {KEYS_PER_MEMBER} keys.")
    return issued
