"""Where members' files are: a path of its owner, the location as SFTPGo has it, the place where
this machine sees it. Nothing is opened here.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from django.conf import settings

from accounts.models import User
from videos.paths import invalid

Homes = Callable[[User], str | None]
UNSEEN: Final = "The size is needed: there is no such file where this service can see it."


class Registry:
    """Who knows a member's home in SFTPGo; an app above says so at start."""

    home_of: Homes = staticmethod(lambda _: None)

    def register(self, home_of: Homes) -> None:
        self.home_of = home_of

    def __call__(self, owner: User) -> str | None:
        return self.home_of(owner)


homes: Final = Registry()


def location_of(owner: User, path: str) -> str:
    """As SFTPGo's file system has it; "" for whoever has no home there."""
    home = homes(owner)
    return f"{home}{path}" if home else ""


def place_of(location: str) -> Path | None:
    """Where this machine sees it: a regular file under SFTPGO_DATA_ROOT, on a way without links
    below that, for members make links, also to other members' files. None for anything else."""
    if settings.SFTPGO is None or not settings.SFTPGO.data_root:
        return None
    prefix = f"{settings.SFTPGO.home_root}/"
    if not location.startswith(prefix):
        return None
    try:
        root = os.path.realpath(settings.SFTPGO.data_root)
        place = os.path.join(root, location.removeprefix(prefix))  # noqa: PTH118  Path drops //
        if os.path.realpath(place) != place or not stat.S_ISREG(os.lstat(place).st_mode):
            return None
    except (OSError, ValueError):  # not there, not ours to see, too long, no name for a file
        return None
    return Path(place)


def measure(owner: User, path: str) -> int:
    """Bytes of the member's file on disk. MomentryError invalid_input where it cannot be seen."""
    place = place_of(location_of(owner, path))
    try:
        found = place.stat(follow_symlinks=False) if place is not None else None
    except OSError:
        found = None  # gone meanwhile
    if found is None:
        raise invalid("#/size", UNSEEN)
    return found.st_size
