"""Scopes and roles as data; docs/permissions.md shows the same. Pure."""

from functools import lru_cache
from typing import Final

from momentry.common.scopes import holds

MEMBER_SCOPES: Final = frozenset(
    {
        "videos:read",
        "videos:write",
        "jobs:read",
        "proxy:use",
        "keys:read",
        "keys:write",
        "usage:read",
    }
)

SERVICE_TYPES: Final = frozenset({"service", "admin"})
# In no role but admin: given to a service's key by name.
SERVICE_SCOPES: Final = frozenset(
    {
        "jobs:work",
        "hooks:sftpgo",
        "logs:read",
        "events:read",
        "upstreams:read",
        "upstreams:write",
        "webhooks:read",
        "webhooks:write",
    }
)
METRICS: Final = frozenset({"metrics:read", "usage:read"})
VALIDATOR: Final = METRICS | {"keys:verify", "keys:read", "members:read"}
ISSUER: Final = VALIDATOR | {"keys:write", "members:write", "provisioning:write"}
ROLES: Final[dict[str, frozenset[str]]] = {
    "metrics": METRICS,
    "validator": VALIDATOR,
    "issuer": ISSUER,
    "admin": frozenset({"*:*"}),
}


# Every scope there is. A wildcard is good when it stands for at least one of them.
CATALOGUE: Final = MEMBER_SCOPES | SERVICE_SCOPES | ISSUER


def meant_by(scope: str) -> frozenset[str]:
    """The scopes of the catalogue that a scope or wildcard stands for; empty when unknown."""
    return frozenset(known for known in CATALOGUE if holds(frozenset({scope}), known))


def is_members(key_type: str) -> bool:
    """A type that nobody knows has the least rights: a member's."""
    return key_type not in SERVICE_TYPES


def effective(scopes: frozenset[str], role: str, key_type: str) -> frozenset[str]:
    """What a key holds: its scopes, and its role's if it is a service or admin key."""
    return scopes if is_members(key_type) else scopes | ROLES.get(role, frozenset())


@lru_cache(maxsize=1024)
def closed(scopes: frozenset[str], role: str, key_type: str) -> frozenset[str]:
    """Every scope of the catalogue that such a key holds, so that one look-up tells any of them."""
    held = effective(scopes, role, key_type)
    return frozenset(known for known in CATALOGUE if holds(held, known))
