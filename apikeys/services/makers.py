"""Who makes or changes a key, and the one rule for it: nobody hands out more than they hold.

The bounds of a member's key are its own scopes, grants, networks, tier and end; those of a service
key its scopes, and its grants for keys without an owner; ADMIN_TOKEN and superusers have none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final

from django.db.models import Q

from apikeys.gate.scopes import effective
from apikeys.models import ApiKey, Grant, KeyType
from apikeys.services.wanted import GrantSpec
from momentry.common.errors import MomentryError
from momentry.common.scopes import lacking

EVERYTHING: Final = frozenset({"*:*"})


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
        return self.key if self.key and self.key.key_type == KeyType.USER else None


def system(actor: str) -> Maker:
    """Commands and ADMIN_TOKEN: whoever runs them holds everything anyway."""
    return Maker(actor, EVERYTHING)


def check_within(maker: Maker, key: ApiKey, grants: Sequence[GrantSpec]) -> None:
    """MomentryError unless all that the key may do, its maker may do too."""
    if key.key_type != KeyType.USER and not maker.makes_services:
        raise MomentryError("permission_denied", "Only superusers hand out keys of services.")
    check_scopes(maker, key)
    check_reach(maker, key, grants)
    if maker.member_key is not None:
        check_bounds(maker.member_key, key)


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
    return [GrantSpec(row.upstream, tuple(row.methods), tuple(row.paths)) for row in grants]


def is_inside(grant: GrantSpec, held: GrantSpec) -> bool:
    methods = not held.methods or (grant.methods and set(grant.methods) <= set(held.methods))
    paths = not held.paths or (
        grant.paths and all(path.startswith(held.paths) for path in grant.paths)
    )
    return grant.upstream == held.upstream and bool(methods) and bool(paths)


def check_bounds(mine: ApiKey, key: ApiKey) -> None:
    """What else narrows a member's key narrows the keys it makes."""
    if mine.expires_at and (key.expires_at is None or key.expires_at > mine.expires_at):
        raise MomentryError("permission_denied", "No key outlives the key it was made with.")
    if mine.tier_id and key.tier_id != mine.tier_id:
        raise MomentryError("permission_denied", "A tier of a key's own binds its keys too.")
    if mine.allowed_networks and not is_narrower(key.allowed_networks, mine.allowed_networks):
        raise MomentryError("permission_denied", "Your key's networks bind its keys too.")


def is_narrower(networks: Sequence[str], held: Sequence[str]) -> bool:
    return bool(networks) and all(
        any(is_subnet(ip_network(network), ip_network(mine)) for mine in held)
        for network in networks
    )


def is_subnet(network: Any, mine: Any) -> bool:
    return bool(network.version == mine.version and network.subnet_of(mine))
