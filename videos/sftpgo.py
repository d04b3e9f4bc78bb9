"""What SFTPGo's file hooks send (sdk plugin/notifier FsEvent), read strictly. Pure."""

import json
from hashlib import sha256
from typing import Any, Final, NamedTuple

from momentry.common.errors import MomentryError
from videos import paths

LONGEST_NAME: Final = 255
LONGEST_LOCATION: Final = 2048
LARGEST: Final = 2**63 - 1
MOST_BYTES: Final = 2**50  # of one file: what registration takes
DONE: Final = 1  # 2 is an error, 3 a full quota
PRE_UPLOAD: Final = "pre-upload"
UPLOADS: Final = frozenset({"upload", "first-upload"})
KNOWN: Final = frozenset({*UPLOADS, PRE_UPLOAD, "delete", "rename", "copy"})


class Told(NamedTuple):
    """One request. ``path`` and ``target``: as the member sees them; ``location`` and
    ``target_location``: as SFTPGo's file system has them, "" where it does not say. ``ns``: 0 where
    it does not say."""

    digest: str
    action: str
    username: str
    path: str = ""
    target: str = ""
    location: str = ""
    target_location: str = ""
    size: int = 0
    status: int = DONE
    ns: int = 0

    @property
    def is_known(self) -> bool:
        return self.action in KNOWN


def read(body: bytes) -> Told:
    """MomentryError invalid_input naming what is malformed. Of an action that is not known only
    its name is read: later versions of SFTPGo may bring more."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise paths.invalid("#", "Not JSON.") from None
    if not isinstance(data, dict):
        raise paths.invalid("#", "Not an object.")
    action = text(data, "action", 64)
    if not action:
        raise paths.invalid("#/action", "Is missing.")
    digest = sha256(body).hexdigest()
    told = Told(digest, action, text(data, "username", LONGEST_NAME))
    return whole(told, data) if told.is_known else told


def whole(told: Told, data: dict[str, Any]) -> Told:
    if not told.username:
        raise paths.invalid("#/username", "Is missing.")
    needs_target = told.action in ("rename", "copy")
    return told._replace(
        path=path(data, "virtual_path", "path"),
        target=path(data, "virtual_target_path", "target_path") if needs_target else "",
        location=text(data, "path", LONGEST_LOCATION),
        target_location=text(data, "target_path", LONGEST_LOCATION) if needs_target else "",
        size=number(data, "file_size", 0, MOST_BYTES),  # absent for nothing: Go's omitempty
        status=number(data, "status", DONE),
        ns=number(data, "timestamp", 0),
    )


def path(data: dict[str, Any], *names: str) -> str:
    """The first that is given."""
    name = next((name for name in names if data.get(name)), names[0])
    try:
        return paths.clean(data.get(name))
    except MomentryError as error:
        detail = error.extra["errors"][0]["detail"]
        raise paths.invalid(f"#/{name}", detail) from None


def text(data: dict[str, Any], name: str, longest: int) -> str:
    found = data.get(name)
    if found is None:
        return ""
    if not isinstance(found, str) or len(found) > longest or not is_storable(found):
        raise paths.invalid(f"#/{name}", f"Must be text of at most {longest} characters.")
    return found


def is_storable(found: str) -> bool:
    """PostgreSQL keeps no NUL, and half of a surrogate pair is no text."""
    return "\0" not in found and not any("\ud800" <= char <= "\udfff" for char in found)


def number(data: dict[str, Any], name: str, default: int, most: int = LARGEST) -> int:
    found = data.get(name)
    if found is None:
        return default
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
        raise paths.invalid(f"#/{name}", f"Must be a whole number of at most {most}, not negative.")
    return found
