"""Grants, one at a time: of a tier, a member or a key. A key's are also part of its settings."""

from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from apikeys.models import ApiKey, Grant
from apikeys.services.life import ENDED
from apikeys.services.makers import Maker, check_rules, check_within, specs_of
from apikeys.services.overrides import overrides_of
from apikeys.services.wanted import GrantSpec, check_grant
from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError


@transaction.atomic
def save_grant(grant: Grant, *, maker: Maker) -> Grant:
    """Make a grant, or change one's upstream, methods and paths. MomentryError conflict when its
    subject has one for this upstream, insufficient_scope, upstream_forbidden or permission_denied
    when it would give more than the maker holds. Raises ValidationError; of two at once that make
    the same one, IntegrityError."""
    key = lock_key(grant)
    others = siblings(grant)
    if others.filter(upstream=grant.upstream).exists():
        raise MomentryError("conflict", f"There is a grant for {grant.upstream}: change that one.")
    check_grant(spec := specs_of([grant])[0])
    check_right(maker, key, [*specs_of(others), spec])
    before = Grant.objects.filter(pk=grant.pk).first()
    grant.full_clean(validate_unique=False, validate_constraints=False)
    grant.save()
    if before is None:
        note(Kind.GRANT_CREATED, grant, key, maker, facts(grant))
    else:
        note(Kind.GRANT_UPDATED, grant, key, maker, changes(facts(before), facts(grant)))
    return grant


@transaction.atomic
def delete_grant(grant: Grant, *, maker: Maker) -> None:
    """A key's last grant gone, it may do what its member may: that is judged like a gain."""
    key = lock_key(grant)
    check_right(maker, key, specs_of(siblings(grant)))
    note(Kind.GRANT_DELETED, grant, key, maker, facts(grant))
    grant.delete()


@transaction.atomic
def delete_grants_on(upstream: str) -> list[str]:
    """Of an upstream that goes: whose they were. MomentryError conflict while a key has no other:
    with none of its own it could call whatever its member or its tier may."""
    grants = Grant.objects.filter(upstream=upstream)
    keys = ApiKey.objects.filter(pk__in=grants.exclude(key=None).values("key"))
    list(keys.select_for_update().order_by("pk").values_list("pk"))
    check_bound(keys, upstream)
    subjects = [subject_of(grant) for grant in grants]
    keys.update(version=F("version") + 1)
    grants.delete()
    return subjects


def check_bound(keys: QuerySet[ApiKey], upstream: str) -> None:
    """Those that ended are nobody's any more, and without owner and tier a key has nothing."""
    others = Grant.objects.filter(key=OuterRef("pk")).exclude(upstream=upstream)
    alive = keys.filter(revoked_at=None, quarantined_at=None, purged_at=None)
    bound = alive.exclude(owner=None, tier=None).exclude(Exists(others))
    if count := bound.count():
        some = ", ".join(str(pk) for pk in bound.order_by("pk").values_list("pk", flat=True)[:5])
        raise MomentryError(
            "conflict",
            f"{count} keys may call nothing but this upstream, and would be bound by nothing any"
            f" more: revoke them, or change their grants, first ({some}).",
        )


def lock_key(grant: Grant) -> ApiKey | None:
    """The key it belongs to, if it is a key's, staying as it is until this transaction ends. The
    grant itself is locked too: MomentryError not_found when it is gone."""
    there = Grant.objects.select_for_update().filter(pk=grant.pk)
    if not (grant._state.adding or there.exists()):
        raise MomentryError("not_found")
    if grant.key_id is None:
        return None
    rows = ApiKey.objects.select_for_update(of=("self",)).select_related("owner")
    key = rows.get(pk=grant.key_id)
    if key.revoked_at or key.quarantined_at or key.purged_at:
        raise MomentryError("conflict", ENDED)
    return key


def siblings(grant: Grant) -> QuerySet[Grant]:
    same = Q(tier=grant.tier_id, member=grant.member_id, key=grant.key_id)
    return Grant.objects.filter(same).exclude(pk=grant.pk)


def check_right(maker: Maker, key: ApiKey | None, after: list[GrantSpec]) -> None:
    """Tiers and members are for those who hold everything; a key, for those who hold the key."""
    if key is None:
        check_rules(maker)
    else:
        check_within(maker, key, after, overrides_of(key.limit_overrides.all()))


def note(
    kind: Kind, grant: Grant, key: ApiKey | None, maker: Maker, details: dict[str, Any]
) -> None:
    """The event; a key's grants are in its JSON, so its version rises."""
    if key is not None:
        key.version += 1
        key.save(update_fields=["version"])
    subject, of = f"grant:{grant.pk}", subject_of(grant)
    record(kind, actor=maker.actor, subject=subject, of=of, **details)


def facts(grant: Grant) -> dict[str, Any]:
    return {name: getattr(grant, name) for name in ("upstream", "methods", "paths", "models")}


def subject_of(grant: Grant) -> str:
    if grant.tier_id is not None:
        return f"tier:{grant.tier_id}"
    if grant.member_id is not None:
        return f"member:{grant.member_id.hex}"
    return f"key:{grant.key_id.hex}" if grant.key_id else ""
