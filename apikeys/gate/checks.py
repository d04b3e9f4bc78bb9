"""The checks that need nothing but the snapshot, in the order of DESIGN §5. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from apikeys.gate.addresses import parse_address
from apikeys.gate.request import GateRequest
from apikeys.gate.scopes import closed, is_members
from apikeys.gate.snapshot import Grant, KeySnapshot

NOT_FOR_MEMBERS: Final = frozenset({"keys:verify"})  # whatever scopes a member's key holds


class Refusal(NamedTuple):
    code: str
    detail: str = ""
    extra: dict[str, Any] = {}


class Life(Protocol):
    """What a snapshot and a key row have in common: the ends a key can meet."""

    @property
    def revoked_at(self) -> datetime | None: ...
    @property
    def quarantined_at(self) -> datetime | None: ...
    @property
    def disabled_at(self) -> datetime | None: ...
    @property
    def expires_at(self) -> datetime | None: ...


Check = Callable[[GateRequest, KeySnapshot], Refusal | None]


def check_life(_: GateRequest, key: KeySnapshot) -> Refusal | None:
    """4: not revoked, quarantined, disabled, expired."""
    return life_refusal(key, key.now)


def life_refusal(key: Life, now: datetime) -> Refusal | None:
    if key.revoked_at is not None:
        return Refusal("key_revoked")
    if key.quarantined_at is not None:
        return Refusal("key_quarantined")
    if key.disabled_at is not None:
        return Refusal("key_disabled")
    if key.expires_at is not None and key.expires_at <= now:
        return Refusal("key_expired")
    return None


def check_member(_: GateRequest, key: KeySnapshot) -> Refusal | None:
    """5: the owner, if there is one, is active."""
    if key.member_id is not None and key.member_status != "active":
        return Refusal("member_suspended")
    return None


def check_network(request: GateRequest, key: KeySnapshot) -> Refusal | None:
    """6: a key with networks of its own opens from these only; no address is none of them."""
    if key.allowed is None:
        return None
    address = parse_address(request.client)
    if address is not None and key.allowed.find(address):
        return None
    return Refusal("ip_not_allowed")


def check_scope(request: GateRequest, key: KeySnapshot) -> Refusal | None:
    """7, scope: on upstreams here; REST views declare theirs and are asked in Django."""
    needed = "proxy:use" if request.upstream else request.scope
    if not needed:
        return None
    is_barred = needed in NOT_FOR_MEMBERS and is_members(key.key_type)
    if is_barred or needed not in closed(key.scopes, key.role, key.key_type):
        return Refusal("insufficient_scope", f"This needs the scope {needed}.", {"scope": needed})
    return None


def check_grant(request: GateRequest, key: KeySnapshot) -> Refusal | None:
    """7, grant: a key's own grants narrow its member's, they never widen them."""
    if not request.upstream:
        return None
    sources = [key.member_grants] if key.member_id or not key.key_grants else []
    if key.key_grants:
        sources.append(key.key_grants)
    if not all(covers(grants, request) for grants in sources):
        return Refusal("upstream_forbidden", f"This key has no grant for {request.upstream} here.")
    return check_models(request, sources) if key.has_models else None


def check_models(request: GateRequest, sources: list[tuple[Grant, ...]]) -> Refusal | None:
    """Each model that the call names; one that cannot be read is none that is granted."""
    named = None if request.models is None else request.models()
    if named is None:
        return None
    names, is_hidden = named
    for grants in sources:
        allowed = models_of(grant for grant in grants if allows(grant, request))
        if allowed is not None and (is_hidden or not allowed.issuperset(names)):
            return Refusal("model_forbidden", "This key has no grant for this model here.")
    return None


def models_of(grants: Iterable[Grant]) -> frozenset[str] | None:
    """None for all."""
    found: set[str] = set()
    for grant in grants:
        if not grant.models:
            return None
        found.update(grant.models)
    return frozenset(found)


def models_on(upstream: str, key: KeySnapshot) -> list[frozenset[str]]:
    """Sets that the key's models there have to be in, each of them."""
    sources = (key.member_grants, key.key_grants)
    own = ([grant for grant in grants if grant.upstream == upstream] for grants in sources)
    return [found for found in (models_of(grants) for grants in own if grants) if found is not None]


def covers(grants: tuple[Grant, ...], request: GateRequest) -> bool:
    return any(allows(grant, request) for grant in grants)


def allows(grant: Grant, request: GateRequest) -> bool:
    return grant.upstream == request.upstream and grant.allows(request.method, request.rest)


CHECKS: Final[tuple[Check, ...]] = (
    check_life,
    check_member,
    check_network,
    check_scope,
    check_grant,
)
