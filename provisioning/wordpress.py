"""What WordPress sends: one full snapshot of one user, read strictly. Pure."""

import json
from typing import Any, Final, NamedTuple

from accounts.services import Profile
from momentry.common.errors import MomentryError

TYPES: Final = ("user.registered", "user.updated", "user.deleted")
STATUSES: Final = ("active", "suspended", "deleted")


class Snapshot(NamedTuple):
    """One webhook: a full picture of one WordPress user at one sequence number."""

    event_id: str
    type: str
    sequence: int
    wordpress_id: int
    status: str
    profile: Profile
    roles: tuple[str, ...] = ()
    is_member: bool = True

    @property
    def is_gone(self) -> bool:
        return self.type == "user.deleted" or self.status == "deleted"


def read_snapshot(event_id: str, body: bytes) -> Snapshot:
    """The event of a verified body; MomentryError invalid_input naming what is malformed."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid("#", "is not JSON") from None
    user = member_of(member_of(data, "data", "#"), "user", "#/data")
    return Snapshot(
        event_id=event_id,
        type=one_of(data, "type", TYPES, "#"),
        sequence=whole(data, "sequence", "#"),
        wordpress_id=whole(user, "id", "#/data/user"),
        status=one_of(user, "status", STATUSES, "#/data/user"),
        profile=read_profile(user),
        roles=read_roles(user),
    )


def is_ping(body: bytes) -> bool:
    """What the plugin's connection test sends: no event, nothing to do."""
    try:
        return bool(json.loads(body) == {"type": "ping"})
    except (ValueError, RecursionError):
        return False


def read_profile(user: dict[str, Any]) -> Profile:
    where = "#/data/user"
    return Profile(
        username=text(user, "username", 60, where, required=True),
        email=text(user, "email", 100, where),
        display_name=text(user, "display_name", 250, where),
        locale=text(user, "locale", 16, where),
    )


def read_roles(user: dict[str, Any]) -> tuple[str, ...]:
    roles = user.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise invalid("#/data/user/roles", "must be a list of texts")
    return tuple(roles)


def invalid(pointer: str, detail: str) -> MomentryError:
    return MomentryError("invalid_input", errors=[{"pointer": pointer, "detail": detail}])


def member_of(data: Any, name: str, where: str) -> dict[str, Any]:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, dict):
        raise invalid(f"{where}/{name}", "must be an object")
    return value


def one_of(data: dict[str, Any], name: str, allowed: tuple[str, ...], where: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or value not in allowed:
        raise invalid(f"{where}/{name}", f"must be one of {', '.join(allowed)}")
    return value


def whole(data: dict[str, Any], name: str, where: str) -> int:
    value = data.get(name)
    if type(value) is not int or not 0 < value < 2**63:
        raise invalid(f"{where}/{name}", "must be a positive whole number")
    return value


def storable(value: str) -> bool:
    """Neither NUL nor half a surrogate pair: PostgreSQL keeps neither."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value)


def text(
    data: dict[str, Any], name: str, longest: int, where: str, *, required: bool = False
) -> str:
    value = data.get(name, "")
    if not isinstance(value, str) or len(value) > longest or not storable(value):
        raise invalid(f"{where}/{name}", f"must be text of at most {longest} characters")
    if required and not value.strip():
        raise invalid(f"{where}/{name}", "must not be empty")
    return value
