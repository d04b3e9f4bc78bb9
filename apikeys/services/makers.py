"""Who makes or changes a key, and the one rule for it: nobody hands out more than they hold.

The bounds of a member's key are its own scopes, grants, networks, tier, limits and end; those of
a service key the same, but that its grants bind keys without an owner only, and members' keys have
no bound but its scopes; ADMIN_TOKEN and superusers have none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final

from django.db.models import Q

from apikeys.gate.scopes import effective, is_members
from apikeys.models import ApiKey, Grant, KeyType, RequestLimit
from apikeys.services.overrides import Overrides, overrides_of, own_limits
from apikeys.services.wanted import GrantSpec
from momentry.common.errors import MomentryError
from momentry.common.scopes import lacking

EVERYTHING: Final = frozenset({"*:*"})
BURSTS: Final = {RequestLimit.PER_SECOND, RequestLimit.PER_MINUTE, RequestLimit.CONCURRENT}
QUOTAS: Final = [limit for limit in RequestLimit if limit not in BURSTS]


@dataclass(frozen=True)
class Maker:
    """``held``: the scopes it may hand out. ``key``: the key that calls, if it is one."""

    actor: str
    held: frozenset[str]
    makes_services: bool = True
    key: ApiKey | None = None

    @property
    def member_key(self) -> ApiKey | None:
        """The calling key if it is a member's: then it bounds more than scopes."""
        return self.key if self.key and is_members(self.key.key_type) else None


def system(actor: str) -> Maker:
    """Commands and ADMIN_TOKEN: whoever runs them holds everything anyway."""
    return Maker(actor, EVERYTHING)


def check_rules(maker: Maker) -> None:
    """MomentryError unless the maker holds everything: tiers, and the limits and grants of members,
    give to many. Staff and ADMIN_TOKEN are no keys; what staff may is their permissions' matter."""
    if maker.key is not None and "*:*" not in maker.held:
        raise MomentryError(
            "insufficient_scope", "This takes a key that holds everything.", scope="*:*"
        )


def check_within(
    maker: Maker, key: ApiKey, grants: Sequence[GrantSpec], overrides: Overrides
) -> None:
    """MomentryError unless all that the key may do, its maker may do too."""
    check_rights(maker, key)
    check_reach(maker, key, grants)
    if (mine := binding_key(maker, key)) is not None:
        check_bounds(mine, key)
        check_limits(mine, key, overrides)


def binding_key(maker: Maker, key: ApiKey) -> ApiKey | None:
    """The calling key, where its own end, networks, tier and limits bind: a member's always, a
    service's but for members' keys, whose member's limits bind them."""
    if maker.member_key is None and (key.key_type == KeyType.USER or "*:*" in maker.held):
        return None
    return maker.key


def check_makes_keys(maker: Maker) -> None:
    """MomentryError when the calling key has a quota of its own: each key that it made would have
    as much once more, and made and revoked by turns there would be no end of it."""
    if maker.key is None or "*:*" in maker.held:
        return
    held = own_limits(maker.key, overrides_of(maker.key.limit_overrides.all()))
    if found := next((limit for limit in QUOTAS if held[limit.value] is not None), None):
        raise MomentryError(
            "permission_denied",
            f"Your key has a limit of its own on {found.label}: such a key hands out no others.",
        )


def check_rights(maker: Maker, key: ApiKey) -> None:
    """Its kind and its scopes: that is all it takes to let a key work again."""
    if key.key_type != KeyType.USER and not maker.makes_services:
        raise MomentryError("permission_denied", "Only superusers hand out keys of services.")
    check_scopes(maker, key)


def check_scopes(maker: Maker, key: ApiKey) -> None:
    wanted = effective(frozenset(key.scopes), key.role, key.key_type)
    if missing := lacking(maker.held, wanted):
        raise MomentryError(
            "insufficient_scope",
            f"Nobody hands out more than they hold; not held: {', '.join(missing)}.",
            scope=" ".join(missing),
        )


def check_reach(maker: Maker, key: ApiKey, grants: Sequence[GrantSpec]) -> None:
    """Upstreams. A key with an owner stays within its member's anyway: the gate sees to that."""
    if maker.key is None or "*:*" in maker.held:
        return
    if maker.member_key is not None:
        wanted: Iterable[GrantSpec] = grants
        if not grants and specs_of(maker.member_key.grants.all()):
            raise MomentryError("upstream_forbidden", "Your key's own grants bind its keys too.")
    elif key.owner_id is None:
        wanted = grants or specs_of(Grant.objects.filter(tier_id=key.tier_id, tier__isnull=False))
    else:
        return
    reach = reach_of(maker.key)
    for grant in wanted:
        if not all(any(is_inside(grant, held) for held in source) for source in reach):
            raise MomentryError(
                "upstream_forbidden", f"Your own grants do not cover {grant.upstream} like this."
            )


def reach_of(key: ApiKey) -> list[list[GrantSpec]]:
    """Lists of grants, as the gate reads them: each call of the key has to be inside of all."""
    own = specs_of(key.grants.all())
    tier = key.owner.tier if key.owner else key.tier_id
    of_member = Q(member_id=key.owner_id) if key.owner_id else Q(pk__in=[])
    shared = specs_of(Grant.objects.filter(of_member | Q(tier_id=tier, tier__isnull=False)))
    if not own:
        return [shared]
    return [own, shared] if key.owner_id else [own]


def specs_of(grants: Iterable[Grant]) -> list[GrantSpec]:
    return [
        GrantSpec(row.upstream, tuple(row.methods), tuple(row.paths), tuple(row.models))
        for row in grants
    ]


def is_inside(grant: GrantSpec, held: GrantSpec) -> bool:
    methods = not held.methods or (grant.methods and set(grant.methods) <= set(held.methods))
    paths = not held.paths or (
        grant.paths and all(path.startswith(held.paths) for path in grant.paths)
    )
    models = not held.models or (grant.models and set(grant.models) <= set(held.models))
    return grant.upstream == held.upstream and bool(methods) and bool(paths) and bool(models)


def check_bounds(mine: ApiKey, key: ApiKey) -> None:
    """What else narrows a key narrows the keys it makes."""
    if mine.expires_at and (key.expires_at is None or key.expires_at > mine.expires_at):
        raise MomentryError("permission_denied", "No key outlives the key it was made with.")
    if mine.tier_id and key.tier_id != mine.tier_id:
        raise MomentryError("permission_denied", "A tier of a key's own binds its keys too.")
    if mine.allowed_networks and not is_narrower(key.allowed_networks, mine.allowed_networks):
        raise MomentryError("permission_denied", "Your key's networks bind its keys too.")


def check_limits(mine: ApiKey, key: ApiKey, overrides: Overrides) -> None:
    """The calling key's own limits, by its tier or overrides; those of its member bind anyway."""
    held = own_limits(mine, overrides_of(mine.limit_overrides.all()))
    for name, wanted in own_limits(key, overrides).items():
        bound = held[name]
        if bound is not None and (wanted is None or wanted > bound):
            label = RequestLimit(name).label
            raise MomentryError(
                "permission_denied", f"Your key has at most {bound} {label}, and so have its keys."
            )


def is_narrower(networks: Sequence[str], held: Sequence[str]) -> bool:
    return bool(networks) and all(
        any(is_subnet(ip_network(network), ip_network(mine)) for mine in held)
        for network in networks
    )


def is_subnet(network: Any, mine: Any) -> bool:
    return bool(network.version == mine.version and network.subnet_of(mine))
