"""LOG-06: retention deletes exactly what is due while two gateway processes write the log, and no
writer waits for it, not even while it waits itself for a long report."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self

import psycopg
import pytest

from tests.apikeys.logs import HOUR, call, day, log
from tests.gateway.conftest import Database, Start
from tests.gateway.outages import Crowd
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DAYS = 30
EACH = 1_200
OLD = (36, 35, 34, 33, 32)  # days ago; the last two of all that are kept follow
KEPT = (30, 29)
READ_SECONDS = 3.0
LONGEST_WAIT = 0.3  # seconds; who queues behind an exclusive lock waits purge.LOCK_TIMEOUT, 0.5
WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND starts_with(query, 'COPY')
"""

# The purge waits to take a day out of the log; who waits behind it; what the gateways wrote.
TAKING_OUT = """
SELECT EXISTS (SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'
                  AND starts_with(query, 'ALTER TABLE')),
       ARRAY(SELECT behind.query FROM pg_stat_activity behind JOIN pg_stat_activity it
                 ON it.pid = ANY (pg_blocking_pids(behind.pid))
              WHERE it.datname = current_database() AND starts_with(it.query, 'ALTER TABLE')),
       (SELECT count(*)::int FROM apikeys_logbatch)
"""
PASSING = 6  # batches


def fill(database: Database) -> None:
    with database.rows():
        for ago in OLD + KEPT:
            moments = [day(ago) + number * timedelta(minutes=1) for number in range(EACH)]
            log(*(call(moment, path="/retained") for moment in moments))


class Watch:
    """How long the longest of the writers' waits for a lock was."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.longest = 0.0
        self.since: dict[object, float] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def look(self) -> None:
        while not self.over.wait(0.02):
            now = time.monotonic()
            waiting = [row[0] for row in self.database.fetch(WAITING)]
            self.since = {pid: self.since.get(pid, now) for pid in waiting}
            self.longest = max([self.longest, *(now - then for then in self.since.values())])


class Passers:
    """Batches of rows that were written while the purge waited, and who waited behind it."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.waited, self.batches, self.passed = False, 0, 0
        self.behind: set[str] = set()

    def look(self) -> bool:
        """Has it been seen? Either enough of them passed, or one did not."""
        row = self.connection.execute(TAKING_OUT).fetchone()
        assert row is not None
        waits, behind, batches = row
        if waits and self.waited:
            self.passed += batches - self.batches
        self.waited, self.batches = waits, batches
        self.behind.update(behind)
        return self.passed >= PASSING or bool(self.behind)


@contextmanager
def long_read(database: Database) -> Iterator[None]:
    """A report that reads the whole log in one transaction; no table can be dropped meanwhile."""
    with psycopg.connect(database.conninfo) as reader:
        reader.execute("SELECT count(*) FROM apikeys_requestlog")
        ending = threading.Timer(READ_SECONDS, reader.rollback)
        ending.start()
        yield
        ending.join()


def begin_purge(database: Database) -> "subprocess.Popen[str]":
    command = [sys.executable, "manage.py", "purge_request_logs", "--days", str(DAYS)]
    given = {**os.environ, "DATABASE_URL": database.url, "MOMENTRY_NO_VENV": "1"}
    out, err = subprocess.PIPE, subprocess.STDOUT
    return subprocess.Popen(command, cwd=ROOT, env=given, text=True, stdout=out, stderr=err)


def purge(database: Database) -> str:
    with begin_purge(database) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said


def test_retention_deletes_exactly_what_is_due_and_no_writer_waits(
    start: Start, seeded: str, database: Database
) -> None:
    fill(database)
    ((due,),) = database.fetch("SELECT count(*) FROM apikeys_requestlog WHERE ts < %s", day(DAYS))
    ((kept,),) = database.fetch("SELECT count(*) FROM apikeys_requestlog WHERE path = '/retained'")
    gateway = start(2).wait_until_ready()
    key = database.key_for(f"kept-{uuid.uuid4().hex[:8]}", "echo")

    with Crowd(gateway, {"own": key}, each=8, pause=0.005) as crowd, Watch(database) as watch:
        time.sleep(0.5)
        with long_read(database):
            said = purge(database)
        again = purge(database)
        time.sleep(0.5)

    assert f"Cleaned up {due} old request logs" in said
    assert "Cleaned up 0 old request logs" in again
    rest = "SELECT count(*) FROM apikeys_requestlog WHERE path = '/retained'"
    assert database.fetch(rest) == [(int(str(kept)) - len(OLD) * EACH,)]
    assert database.fetch("SELECT count(*) FROM apikeys_requestlog WHERE ts < %s", day(DAYS)) == [
        (0,)
    ]
    assert watch.longest <= LONGEST_WAIT
    assert crowd.statuses("own").keys() == {200}
    rows = "SELECT count(*) FROM apikeys_requestlog WHERE key_id = %s"
    assert within(5, lambda: database.fetch(rows, key.split("_")[1]) == [(len(crowd.told),)])
    assert gateway.errors() == []


def test_writers_pass_a_purge_that_waits_for_a_long_report(
    start: Start, seeded: str, database: Database
) -> None:
    with database.rows():
        log(*(call(day(OLD[0]) + hour * HOUR) for hour in range(24)))
    gateway = start(2).wait_until_ready()
    key = database.key_for(f"passing-{uuid.uuid4().hex[:8]}", "echo")

    with (
        Crowd(gateway, {"own": key}, each=4, pause=0.005) as crowd,
        psycopg.connect(database.conninfo) as reader,
        psycopg.connect(database.conninfo, autocommit=True) as looking,
    ):
        passers = Passers(looking)
        reader.execute("SELECT count(*) FROM apikeys_requestlog")
        with begin_purge(database) as process:
            assert within(25, passers.look)
            assert process.poll() is None
            reader.rollback()
            said, _ = process.communicate(timeout=60)

    assert passers.behind == set()
    assert "Cleaned up 0 " not in said
    assert database.fetch("SELECT 1 FROM apikeys_requestlog WHERE ts < %s", day(DAYS)) == []
    assert crowd.statuses("own").keys() == {200}
