"""What a new or changed key is asked to be: shapes, and values that no key may have."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, NoReturn
from uuid import UUID

from apikeys.gate.scopes import CATALOGUE, MEMBER_SCOPES, ROLES, meant_by
from apikeys.models import ApiKey, KeyType, RequestLimit
from momentry.common.errors import MomentryError

METADATA_BYTES: Final = 64 * 1024
METADATA_DEPTH: Final = 20
MAX_LIMIT: Final = 10**15
UPSTREAM: Final = re.compile(r"[-a-zA-Z0-9_]{1,60}")
METHOD: Final = re.compile(r"[A-Z]{1,16}")
MODEL: Final = re.compile(r"[!-~]{1,100}")
PATH: Final = re.compile(r"/.{0,199}", re.DOTALL)


class GrantSpec(NamedTuple):
    """Leave for one upstream; empty methods, paths or models mean all."""

    upstream: str
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key to issue, for an owner or a service. None in scopes and grants: what is usual.

    ``template``: where what was not said comes from. A field was said when it differs from its
    default here, or when ``said`` names it.
    """

    name: str
    description: str = ""
    owner_id: UUID | None = None
    service_name: str = ""
    key_type: str = ""
    role: str = ""
    scopes: tuple[str, ...] | None = None
    tier: str | None = None
    expires_at: datetime | None = None
    end_given: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    allowed_networks: tuple[str, ...] = ()
    rotate_every_days: int | None = None
    grants: tuple[GrantSpec, ...] | None = None
    template: str | None = None
    limit_overrides: dict[str, int | None] = field(default_factory=dict)
    said: frozenset[str] = frozenset()


def refuse(pointer: str, detail: str) -> NoReturn:
    raise MomentryError("invalid_input", errors=[{"detail": detail, "pointer": f"#/{pointer}"}])


def type_of(new: NewKey) -> str:
    """The key's type: as given, else as owner, service name and role have it."""
    usual = KeyType.USER if new.owner_id and not new.service_name else KeyType.SERVICE
    found = new.key_type or (KeyType.ADMIN if new.role == "admin" else usual)
    if found == KeyType.USER and new.owner_id is None:
        refuse("owner", "a key of this type needs an owner")
    if found == KeyType.USER and new.service_name:
        refuse("service_name", "a member's key has none")
    if found != KeyType.USER and not new.service_name:
        refuse("service_name", "a key for a service needs one")
    return found


def check_role(key: ApiKey) -> None:
    if key.key_type == KeyType.USER and key.role:
        refuse("role", "members' keys have no role")
    if key.role and key.role not in ROLES:
        refuse("role", f"must be one of {', '.join(ROLES)}")
    if (key.role == "admin") != (key.key_type == KeyType.ADMIN):
        refuse("role", "admin is the role of keys of the type admin, and of no other")


def known_scopes(scopes: Iterable[str], key_type: str, pointer: str = "scopes") -> list[str]:
    """Sorted, each once. Members' keys hold no wildcards: theirs become what they stand for now,
    so that a member's ``*:read`` never reads what is not a member's."""
    found: set[str] = set()
    for place, scope in enumerate(scopes):
        meant = meant_by(scope)
        if key_type == KeyType.USER:
            meant &= MEMBER_SCOPES
        if not meant:
            allowed = MEMBER_SCOPES if key_type == KeyType.USER else CATALOGUE
            refuse(f"{pointer}/{place}", f"is not one of {', '.join(sorted(allowed))}")
        found |= meant if key_type == KeyType.USER else {scope}
    return sorted(found)


def check_end(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        refuse("expires_at", "must be in the future")


def check_metadata(metadata: Any) -> None:
    """What PostgreSQL can keep as JSON, and not too much of it. Forms give anything."""
    if not isinstance(metadata, dict):
        refuse("metadata", "must be an object")
    if depth_of(metadata) > METADATA_DEPTH:
        refuse("metadata", f"must not be nested more than {METADATA_DEPTH} deep")
    try:
        size = len(json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode())
    except ValueError:
        refuse("metadata", "must be JSON with finite numbers and valid Unicode")
    if size > METADATA_BYTES:
        refuse("metadata", f"must be at most {METADATA_BYTES} bytes of JSON")
    if has_nul(metadata):
        refuse("metadata", "must not contain the character U+0000")


def depth_of(value: Any, level: int = 1) -> int:
    if level > METADATA_DEPTH or not isinstance(value, (dict, list)):
        return level
    inner = value.values() if isinstance(value, dict) else value
    return max((depth_of(item, level + 1) for item in inner), default=level)


def has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(has_nul(name) or has_nul(item) for name, item in value.items())
    if isinstance(value, list):
        return any(has_nul(item) for item in value)
    return isinstance(value, str) and "\0" in value


def check_grants(grants: Iterable[GrantSpec]) -> None:
    seen: set[str] = set()
    for place, grant in enumerate(grants):
        if grant.upstream in seen:
            refuse(f"grants/{place}/upstream", "is there twice")
        seen.add(grant.upstream)
        check_grant(grant, f"grants/{place}/")


def check_grant(grant: GrantSpec, prefix: str = "") -> None:
    """Methods as the gate compares them, GET and not get; prefixes that a path can begin with."""
    if not UPSTREAM.fullmatch(grant.upstream):
        refuse(f"{prefix}upstream", "must be the slug of an upstream")
    for place, method in enumerate(grant.methods):
        if not METHOD.fullmatch(method):
            refuse(f"{prefix}methods/{place}", "must be a word such as GET or POST")
    for place, path in enumerate(grant.paths):
        if not PATH.fullmatch(path) or "\0" in path:
            refuse(f"{prefix}paths/{place}", "must begin with / and have at most 200 characters")
    for place, model in enumerate(grant.models):
        if not MODEL.fullmatch(model):
            refuse(f"{prefix}models/{place}", "must be printable ASCII of at most 100 characters")


def check_overrides(overrides: Mapping[str, Any], prefix: str = "limit_overrides/") -> None:
    """Limits by name; 0 would be a key that opens nothing, and is always a mistake for null."""
    for name, value in overrides.items():
        if name not in RequestLimit.values:
            refuse(prefix + escape(name), f"is not one of {', '.join(RequestLimit.values)}")
        if value is not None and not is_limit(value):
            refuse(prefix + name, f"must be from 1 to {MAX_LIMIT}; null is unlimited")


def is_limit(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_LIMIT


def escape(name: str) -> str:
    """As part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
