"""DUR-08: the log's storage is stuck while the rest of the database works: requests go on, what
waits is bounded, loss is counted, nothing is written twice, and it recovers by itself."""

import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import psycopg
import pytest

from proxy.gateway.loglink import PATIENCE_SECONDS
from proxy.gateway.ring import CAPACITY
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.crowd import Crowd
from tests.gateway.engine import Engine, OwnDatabase
from tests.gateway.logbooks import faults, ids, now
from tests.gateway.outages import memory
from tests.gateway.processes import request, rows_of
from tests.gateway.test_log_sampling import figure
from tests.gateway.wire import within
from tests.gateway.wiretap import Wiretap

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow
PROCESSES = 2
RECOVERY = 6.0
LOG = b"momentry-log-"
BACKENDS = """
SELECT pid FROM pg_stat_activity
 WHERE starts_with(application_name, 'momentry-log-') AND backend_start >= %s
   AND datname = current_database()"""
FULL_DISK = """
CREATE FUNCTION full_disk_now() RETURNS trigger LANGUAGE plpgsql AS
 $$ BEGIN RAISE disk_full; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON apikeys_requestlog
 FOR EACH ROW EXECUTE FUNCTION full_disk_now()"""
Fault = Callable[[Database, list[int]], AbstractContextManager[None]]


@contextmanager
def locked(database: Database, _backends: list[int]) -> Iterator[None]:
    with psycopg.connect(database.conninfo) as holder:
        holder.execute("LOCK TABLE apikeys_requestlog IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def batches_locked(database: Database, _backends: list[int]) -> Iterator[None]:
    with psycopg.connect(database.conninfo) as holder:
        holder.execute("LOCK TABLE apikeys_logbatch IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def full(database: Database, _backends: list[int]) -> Iterator[None]:
    database.execute(FULL_DISK)
    try:
        yield
    finally:
        database.execute("DROP FUNCTION full_disk_now CASCADE")


@contextmanager
def stopped(_database: Database, backends: list[int]) -> Iterator[None]:
    """Its server processes alone stand still."""
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)


def backends(database: Database, since: datetime) -> list[int]:
    return [int(str(row[0])) for row in database.fetch(BACKENDS, since)]


@pytest.fixture
def secret(database: Database, seeded: str) -> str:
    return database.key_for(f"stuck-{uuid.uuid4().hex[:8]}", "echo")


@pytest.mark.parametrize(("fault", "seconds"), [(locked, 8), (batches_locked, 4), (full, 4),
                                                (stopped, PATIENCE_SECONDS + 3)])  # fmt: skip
def test_requests_go_on_and_every_row_comes_once(
    start: Start, database: Database, secret: str, fault: Fault, seconds: float
) -> None:
    began = now(database)
    gateway = start(PROCESSES).wait_until_ready()
    crowd, most = Crowd(gateway, secret, 8, pause=0.02), 0
    with crowd.asking():
        assert within(5, lambda: len(backends(database, began)) == PROCESSES)
        with fault(database, backends(database, began)):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                most = max(most, len(backends(database, began)))
                time.sleep(0.5)
    asked = {seen.request_id for seen in crowd.seen}

    assert crowd.statuses().keys() == {200}
    assert max(seen.came - seen.asked for seen in crowd.seen) < 2
    assert most <= 2 * PROCESSES  # none piles up at the server
    assert within(RECOVERY, lambda: asked <= set(ids(database, secret)))
    assert len(ids(database, secret)) == len(set(ids(database, secret)))
    assert faults(database, secret, began) == []
    assert gateway.stop() == 0


@pytest.mark.parametrize("mark", [b"INSERT INTO apikeys_logbatch", b"COPY apikeys_req", b"COMMIT"])
def test_a_connection_that_stands_still_is_given_up_and_the_batch_comes_once(
    start: Start, database: Database, tap: Wiretap, secret: str, mark: bytes
) -> None:
    """What was begun on it still runs at the server, with the claim of the batch."""
    began = now(database)
    gateway = start(1, DATABASE_URL=tap.url).wait_until_ready()
    ear = tap.swallow_after(LOG, mark)
    crowd = Crowd(gateway, secret, 4, pause=0.05)
    with crowd.asking():
        assert ear.heard.wait(5)
        crowd.until(crowd.admitted + 20)
        later = {seen.request_id for seen in crowd.seen}
        assert within(PATIENCE_SECONDS + 3, lambda: later <= set(ids(database, secret)), 0.2)
    asked = {seen.request_id for seen in crowd.seen}

    assert crowd.statuses().keys() == {200}
    assert within(RECOVERY, lambda: asked <= set(ids(database, secret)))
    assert len(ids(database, secret)) == len(set(ids(database, secret)))
    assert faults(database, secret, began) == []
    assert within(3, lambda: len(backends(database, began)) == 1)
    assert gateway.stop() == 0
    assert not [line for line in gateway.lines if "row was refused" in line]  # as a double is


@pytest.mark.parametrize("mark", [b"COPY apikeys_req", b"COMMIT"])
def test_a_stop_does_not_wait_for_a_connection_that_stands_still(
    start: Start, database: Database, tap: Wiretap, secret: str, mark: bytes
) -> None:
    gateway = start(1, DATABASE_URL=tap.url).wait_until_ready()
    ear = tap.swallow_after(LOG, mark)
    asked = [gateway.get("/proxy/echo/x", secret).field("x-request-id") for _ in range(20)]
    assert ear.heard.wait(5)
    began = time.monotonic()

    assert gateway.stop() == 0

    assert time.monotonic() - began < 6
    assert sorted(ids(database, secret)) == sorted(asked)
    assert not [line for line in gateway.lines if "row was refused" in line]


def test_a_stop_says_what_it_could_not_write(start: Start, database: Database, secret: str) -> None:
    gateway = start(1).wait_until_ready()
    with locked(database, []):
        for _ in range(20):
            assert gateway.get("/proxy/echo/x", secret).status == 200
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 6

    assert any("20 request log rows were lost" in line for line in gateway.lines)
    assert ids(database, secret) == []


def test_a_database_that_stands_still_costs_no_row(
    start: Start, own: OwnDatabase, engine: Engine
) -> None:
    """Longer than a connection is waited for; those who were told 503 have their rows too."""
    secret = own.key_for("frozen", "echo")
    gateway = start(PROCESSES, DATABASE_URL=own.url).wait_until_ready()
    crowd = Crowd(gateway, secret, 8, pause=0.05)
    with crowd.asking():
        crowd.until(100)
        engine.freeze()
        time.sleep(PATIENCE_SECONDS + 3)
        engine.thaw()
        crowd.until(crowd.admitted + 100)
    asked = [seen.request_id for seen in crowd.seen]
    found = "SELECT count(*) FROM apikeys_requestlog WHERE id = ANY(%s::uuid[])"
    assert within(RECOVERY, lambda: own.fetch(found, asked) == [(len(asked),)], 0.1)
    assert gateway.stop() == 0

    rows = rows_of(own.conninfo, "id = ANY(%s::uuid[])", asked)
    assert crowd.statuses().keys() == {200, 503}
    assert sorted(str(row["id"]) for row in rows) == sorted(asked)
    assert Counter(row["status"] for row in rows) == crowd.statuses()
    assert not [line for line in gateway.lines if "row was refused" in line]


def test_the_oldest_are_dropped_and_counted_and_memory_is_bounded(
    start: Start, database: Database, secret: str
) -> None:
    """More refusals of a proven key than may wait, each with a long path and user agent."""
    with database.rows():
        metrics = make.service_key("metrics").secret
    gateway = start(1).wait_until_ready()
    assert gateway.get("/proxy/echo/x", secret).status == 200
    before, answered = memory(gateway.children()), 1
    path, agent = "/proxy/based/" + "p" * 2035, "User-Agent: " + "u" * 256
    with locked(database, []):
        wire = gateway.connect()
        for _ in range(CAPACITY // 50):
            wire.send(request("GET", path, secret, agent) * 25)
            assert {wire.answer().status for _ in range(25)} == {403}
            answered += 25
        grown = memory(gateway.children()) - before
        dropped = figure(gateway, metrics, "log_rows_dropped_total")
        assert gateway.get("/proxy/echo/x", secret).status == 200
        assert within(20, lambda: "cannot be written now" in "".join(gateway.lines))

    assert dropped > 1000
    assert grown <= 80
    assert within(30, lambda: figure(gateway, metrics, "log_rows_waiting") == 0)
    dropped = figure(gateway, metrics, "log_rows_dropped_total")
    assert len(ids(database, secret)) + dropped == answered + 1
    statuses = "SELECT status FROM apikeys_requestlog WHERE key_id = %s ORDER BY ts, id"
    kept = [row[0] for row in database.fetch(statuses, uuid.UUID(secret.split("_")[1]))]
    assert kept[-1] == 200  # the newest is there
    assert gateway.stop() == 0
