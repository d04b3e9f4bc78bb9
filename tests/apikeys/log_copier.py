"""Copies rows into the request log until its standard input ends; then says how long one took.

A process of its own, as the gateway is: a pause of the test's (Python's collector goes through the
heap of some thousand tests in half a second) is nobody's wait for the database.

    python -m tests.apikeys.log_copier MOMENT < pipe    # DATABASE_URL says where
"""

import os
import select
import sys
import time
from datetime import datetime
from typing import NamedTuple

import psycopg

from apikeys.requestlog.row import COLUMNS, TABLE, LogRow
from momentry.common.ids import uuid7

COPY = f"COPY {TABLE} ({', '.join(COLUMNS)}) FROM STDIN"
ROWS, PAUSE_SECONDS = 50, 0.002


class Copied(NamedTuple):
    """``slowest`` in seconds, from before its first row to after its commit."""

    rows: int
    slowest: float


def copy_until(ended: int, ts: datetime) -> Copied:
    rows, slowest = 0, 0.0
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as writer:
        print("ready", flush=True)
        while not select.select([ended], [], [], PAUSE_SECONDS)[0]:
            began = time.monotonic()
            with writer.cursor().copy(COPY) as copy:
                for _ in range(ROWS):
                    copy.write_row(LogRow(ts, uuid7(), "GET", "/x", 200))
            rows += ROWS
            slowest = max(slowest, time.monotonic() - began)
    return Copied(rows, slowest)


if __name__ == "__main__":
    print(*copy_until(sys.stdin.fileno(), datetime.fromisoformat(sys.argv[1])), flush=True)
