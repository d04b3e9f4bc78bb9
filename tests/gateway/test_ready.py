"""DUR-11: /readyz tells the truth of each state, and of its end; asking it costs nobody else."""

import contextlib
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from pytest_django.plugin import DjangoDbBlocker

from momentry.supervisor.valkey import Valkey
from tests.gateway.conftest import Start
from tests.gateway.engine import Engine, OwnDatabase
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, unix_server, within

pytestmark = pytest.mark.slow

SOON = 5.0
ASKERS = 60
PROBE = "SELECT app, name FROM django_migrations%"


@pytest.fixture(scope="module")
def engine(directory: Path) -> Iterator[Engine]:
    made = Engine(directory / uuid.uuid4().hex[:6])
    yield made
    made.thaw()
    made.kill()


@pytest.fixture(scope="module")
def own(engine: Engine, django_db_blocker: DjangoDbBlocker, upstream: Server) -> OwnDatabase:
    database = OwnDatabase(django_db_blocker, engine.postgres.url)
    database.upstream("echo", upstream.port)
    return database


@pytest.fixture
def valkey(directory: Path) -> Iterator[Valkey]:
    place = directory / uuid.uuid4().hex[:6]
    place.mkdir()
    made = Valkey(place / "data", place, place / "log", durable=False)
    made.start()
    assert within(15, made.ready)
    yield made
    made.child.kill()


def says(gateway: Gateway, status: int, reason: bytes = b"") -> bool:
    """Soon."""

    def is_told() -> bool:
        answer = gateway.get("/readyz")
        return answer.status == status and reason in answer.body

    return within(SOON, is_told)


@contextmanager
def held(own: OwnDatabase, statement: str) -> Iterator[None]:
    """What a transaction of somebody else's holds."""
    with psycopg.connect(own.conninfo) as holder:
        holder.execute(statement)
        yield
        holder.rollback()


@contextmanager
def no_ledger(own: OwnDatabase) -> Iterator[None]:
    """The ledger's connection ends, and its next one waits for ours."""
    locks = "SELECT pid, classid, objid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with psycopg.connect(own.conninfo, autocommit=True) as holder:
        ((pid, high, low),) = holder.execute(locks).fetchall()
        number = int.from_bytes(high.to_bytes(4) + low.to_bytes(4), signed=True)
        holder.execute("SELECT pg_terminate_backend(%s)", (pid,))
        holder.execute("SELECT pg_advisory_lock(%s)", (number,))
        yield


def test_each_state_is_told_and_so_is_its_end(
    start: Start, own: OwnDatabase, engine: Engine, valkey: Valkey, directory: Path
) -> None:
    path = str(directory / f"{uuid.uuid4().hex[:6]}.sock")
    django = unix_server(path)
    renamed = "ALTER TABLE proxy_upstream RENAME TO hidden"
    own.execute(renamed)
    given = {"DATABASE_URL": own.url, "REDIS_URL": valkey.url, "DJANGO_SOCKET": path}
    gateway = start(DB_ACQUIRE_TIMEOUT_SECONDS="0.3", DRAIN_SECONDS="1", **given)
    gateway.wait_until_listening()
    assert says(gateway, 503, b"The upstreams were not read yet.")
    own.execute("ALTER TABLE hidden RENAME TO proxy_upstream")
    assert says(gateway, 200)

    valkey.child.kill()
    assert not within(1.2, lambda: gateway.get("/readyz").status != 200)  # it does without

    with held(own, "UPDATE common_fence SET generation = generation"):
        assert says(gateway, 503, b"This process cannot follow changes.")
    assert says(gateway, 200)
    with no_ledger(own):
        assert says(gateway, 503, b"This process cannot count quotas.")
    assert says(gateway, 200)

    django.listener.shutdown(socket.SHUT_RDWR)  # to close it would leave it to its thread
    django.stop()
    assert says(gateway, 503, b"The application does not answer.")
    Path(path).unlink()
    django = unix_server(path)
    assert says(gateway, 200)

    engine.stop()
    assert says(gateway, 503, b"database_unavailable")
    assert gateway.get("/healthz").status == 200
    engine.start()
    assert says(gateway, 200)
    engine.freeze()
    assert says(gateway, 503, b"database_unavailable")
    engine.thaw()
    assert says(gateway, 200)

    busy = gateway.connect().send(b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
    asking = gateway.connect().send(request("GET", "/readyz"))
    assert asking.answer().status == 200
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    assert asking.send(request("GET", "/readyz")).answer().status == 503
    busy.send(b"x")
    assert gateway.stop() == 0
    django.stop()


def test_who_asks_often_takes_no_connection_from_others(start: Start, own: OwnDatabase) -> None:
    gateway = start(DATABASE_URL=own.url).wait_until_ready()
    asking = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s"
    with held(own, "LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE"):
        wires = [gateway.connect().send(request("GET", "/readyz")) for _ in range(ASKERS)]
        assert within(SOON, lambda: own.fetch(asking, PROBE) == [(1,)])
        time.sleep(0.3)
        assert own.fetch(asking, PROBE) == [(1,)]
        began = time.monotonic()
        assert gateway.get("/proxy/echo/x", own.key_for(uuid.uuid4().hex[:8], "echo")).status == 200
        assert time.monotonic() - began < SOON

    found = {wire.answer().status for wire in wires}
    assert found <= {200, 503}
    with contextlib.suppress(OSError):
        for wire in wires:
            wire.close()
