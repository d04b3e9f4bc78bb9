"""What an unclean death leaves: processes that still end, and lock files of no one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from momentry.supervisor.errors import CannotStartError

PATIENCE_SECONDS: Final = 5.0
LIMIT_SECONDS: Final = 15.0


def clear_leftovers(directory: Path, stale: Iterable[Path] = ()) -> None:
    """Wait until no process works in ``directory`` (after a while, make them), then unlock it.

    The caller holds the lock of the data directory, so whatever still runs is an orphan. The
    ``stale`` lock files are removed by us because PostgreSQL believes any process that now has the
    number in them, and in a container small numbers come back soon.
    """
    began = time.monotonic()
    while others := working_in(directory):
        waited = time.monotonic() - began
        if waited > LIMIT_SECONDS:
            raise CannotStartError(
                f"A server of an earlier start still runs on {directory} and does not end: "
                f"stop process {others[0]} and start again."
            )
        if waited > PATIENCE_SECONDS:
            for pid in others:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
        time.sleep(0.05)
    for file in stale:
        file.unlink(missing_ok=True)


def working_in(directory: Path) -> list[int]:
    """A postmaster, its backends and a Valkey have their data as working directory."""
    if sys.platform != "linux":
        return postmaster_of(directory)
    found = []
    place = directory.resolve()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == place and is_server(entry):
                    found.append(int(entry.name))
            except OSError:
                continue  # it ended, or it is another user's
    return found


def is_server(process: Path) -> bool:
    """Not a shell that somebody left in the directory."""
    name = (process / "comm").read_text(encoding="utf-8")
    return name.startswith(("postgres", "valkey", "redis"))


def postmaster_of(cluster: Path) -> list[int]:
    try:
        pid = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return []
    answer = subprocess.run(
        ["/bin/ps", "-o", "command=", "-p", str(int(pid))],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(pid)] if str(cluster) in answer.stdout else []
