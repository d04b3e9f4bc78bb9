"""Waiting until no process remembers what was changed. Called after the COMMIT, never in it."""

import time
from typing import Final

from django.db import connection

from momentry.common.errors import MomentryError
from momentry.common.fence import sql

FIRST_PAUSE: Final = 0.002  # seconds; then a quarter longer each time
LONGEST_PAUSE: Final = 0.02
PATIENCE: Final = 40.0  # above the longest lease: a process that renews and never follows is broken


def wait() -> None:
    """Returns when every live process has followed all changes that were committed before.

    Nothing to wait for inside a transaction: what is not committed cannot be followed.
    MomentryError database_unavailable when a process does not follow in PATIENCE seconds.
    """
    if connection.in_atomic_block:
        return
    generation, behind = look()
    end = time.monotonic() + PATIENCE
    pause = FIRST_PAUSE
    while behind:
        if time.monotonic() > end:
            raise MomentryError("database_unavailable", "A gateway does not follow changes.")
        time.sleep(pause)
        pause = min(pause * 1.25, LONGEST_PAUSE)
        behind = count_behind(generation)


def look() -> tuple[int, int]:
    """The generation, and how many processes have not followed it."""
    with connection.cursor() as cursor:
        cursor.execute(sql.LOOK)
        return cursor.fetchone() or (0, 0)


def count_behind(generation: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql.BEHIND, {"generation": generation})
        (count,) = cursor.fetchone() or (0,)
    return int(count)
