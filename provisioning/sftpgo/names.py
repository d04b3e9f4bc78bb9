"""Names of accounts in SFTPGo, which are names of directories too. Pure.

SFTPGo's strictest naming rules take letters, digits and ``-_.~``; its REST paths and every file
system take those as well, so such a name is always one segment.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from uuid import UUID

LONGEST: Final = 60
PLAIN: Final = re.compile(rf"[A-Za-z0-9._~-]{{1,{LONGEST}}}", re.ASCII)
OTHER: Final = re.compile(r"[^a-z0-9]+", re.ASCII)
# Windows opens a device for these, whatever follows a dot (docs: Naming Files, Paths, Namespaces).
DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{word}{n}" for word in ("com", "lpt") for n in range(10))}
)


def is_plain(name: str) -> bool:
    """May it stand as it is, as an account's name and as one segment of a path?"""
    if PLAIN.fullmatch(name) is None or name in (".", ".."):
        return False
    return name.lower().partition(".")[0] not in DEVICES


def slug_of(name: str, longest: int) -> str:
    """What is left of a name in ASCII: ``First Last@example.org`` is first-last-example-org."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return OTHER.sub("-", plain).strip("-")[:longest].strip("-") or "member"


def candidates(username: str, wordpress_id: int | None, member: UUID) -> Iterator[str]:
    """Names for a member, the best first; the last is nobody else's."""
    if is_plain(username):
        yield username
    endings = [member.hex[-12:], member.hex]
    if wordpress_id is not None:
        endings.insert(0, str(wordpress_id))
    for ending in endings:
        yield f"{slug_of(username, LONGEST - len(ending) - 1)}-{ending}"


def home_of(root: str, name: str) -> str:
    """``<root>/<one segment>``. Raises ValueError for a name that is more than a segment."""
    if not is_plain(name):
        raise ValueError("no plain name")
    return f"{root}/{name}"
