"""Which user PostgreSQL runs as: it refuses root, and initdb wants an entry in passwd."""

import os
import pwd
import subprocess
from pathlib import Path
from typing import Final

from momentry.supervisor.child import launching
from momentry.supervisor.errors import CannotStartError

OURSELVES: Final = "-"
NOBODY: Final = 65534


def choose_account(cluster: Path, program: Path) -> str:
    """The account for launch.py that may own ``cluster`` and run ``program``.

    As root: the owner of a cluster that exists, else a user namespace, else ``nobody``.
    Raises CannotStartError when none of them works here.
    """
    uid = os.geteuid()
    if uid != 0 and known(uid):
        return OURSELVES
    owner = cluster.stat().st_uid if cluster.exists() else uid
    if uid == 0 and owner != 0:
        return user_account(owner)
    namespace = f"namespace:{unprivileged_uid()}"
    if works(namespace, program):
        return namespace
    if uid == 0 and works(user_account(NOBODY), program):
        return user_account(NOBODY)
    raise CannotStartError(
        "PostgreSQL does not run as this user, and neither a user namespace nor the user nobody "
        "can be used here: start momentry as an ordinary user, or set DATABASE_URL (and REDIS_URL) "
        "to servers of your own."
    )


def known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def unprivileged_uid() -> int:
    """A number that passwd knows and that is not root's; inside the namespace it stands for us."""
    if known(NOBODY):
        return NOBODY
    return next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0), NOBODY)


def user_account(uid: int) -> str:
    try:
        return f"user:{uid}:{pwd.getpwuid(uid).pw_gid}"
    except KeyError:
        return f"user:{uid}:{uid}"


def works(account: str, program: Path) -> bool:
    command = launching([program, "--version"], account)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def give(path: Path, account: str) -> None:
    """Make ``path`` and what is in it belong to ``account``, and its parents passable for it."""
    kind, _, rest = account.partition(":")
    if kind != "user":
        return
    uid, gid = map(int, rest.split(":"))
    for entry in (path, *path.rglob("*")):
        os.chown(entry, uid, gid, follow_symlinks=False)
    parent = path.parent
    if parent.stat().st_uid == os.geteuid():
        parent.chmod(parent.stat().st_mode | 0o011)
