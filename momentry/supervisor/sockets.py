"""A private directory whose path will do for unix sockets: short, and plain enough for URLs."""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

from momentry.supervisor.accounts import NOBODY
from momentry.supervisor.errors import CannotStartError

LONGEST: Final = 107  # bytes of sun_path on Linux, without the final NUL; macOS has 103
PLAIN: Final = re.compile(r"^[A-Za-z0-9/._-]+$")
LONGEST_NAME: Final = len(".s.PGSQL.5432.lock")


def socket_place(wanted: Path) -> Path:
    """``wanted``, or when its sockets' paths would not do a directory of the same use under the
    temporary directory.

    libpq takes a comma for the end of a host, and not every client decodes a URL's path.
    """
    limit = LONGEST if os.uname().sysname == "Linux" else 103
    too_long = len(os.fsencode(wanted)) + 1 + LONGEST_NAME > limit
    if too_long or not PLAIN.match(str(wanted)):
        digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"momentry-{os.geteuid()}-{digest}"
    return wanted


def socket_directory(wanted: Path) -> Path:
    """Made at its place, 0700. Raises CannotStartError when somebody else owns that."""
    wanted = socket_place(wanted)
    remove_given_away(wanted)
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = wanted.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise CannotStartError(f"{wanted} belongs to somebody else: remove it and start again.")
    wanted.chmod(0o700)
    return wanted


def remove_given_away(directory: Path) -> None:
    """What an unclean death leaves where root had to run PostgreSQL as nobody."""
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return
    if os.geteuid() == 0 and found.st_uid == NOBODY and stat.S_ISDIR(found.st_mode):
        shutil.rmtree(directory)
