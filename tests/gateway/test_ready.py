"""DUR-11: /readyz tells the truth of each state, and of its end; asking it costs nobody else."""

import contextlib
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from momentry.supervisor.valkey import Valkey
from tests.gateway.conftest import Start
from tests.gateway.engine import Engine, OwnDatabase
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, unix_server, within

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

SOON = 5.0
ASKERS = 60
PROBE = "SELECT app, name FROM django_migrations%"


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
    assert within(SOON, lambda: len(own.fetch(locks)) == 1)  # another gateway's may end just now
    with psycopg.connect(own.conninfo, autocommit=True) as holder:
        ((pid, high, low),) = holder.execute(locks).fetchall()
        number = int.from_bytes(high.to_bytes(4) + low.to_bytes(4), signed=True)
        holder.execute("SELECT pg_terminate_backend(%s)", (pid,))
        holder.execute("SELECT pg_advisory_lock(%s)", (number,))
        yield


class Around(NamedTuple):
    """What a gateway depends on."""

    own: OwnDatabase
    engine: Engine
    django: list[Server]  # the last one answers
    path: str


@pytest.fixture(scope="module")
def around(own: OwnDatabase, engine: Engine, directory: Path) -> Iterator[Around]:
    path = str(directory / f"{uuid.uuid4().hex[:6]}.sock")
    made = Around(own, engine, [unix_server(path)], path)
    yield made
    made.django[-1].stop()


@pytest.fixture(scope="module")
def steady(start_once: Start, around: Around) -> Gateway:
    """One for all that comes and goes around it."""
    given = {"DATABASE_URL": around.own.url, "DJANGO_SOCKET": around.path}
    return start_once(DB_ACQUIRE_TIMEOUT_SECONDS="0.3", **given).wait_until_ready()


@contextmanager
def no_application(around: Around) -> Iterator[None]:
    gone = around.django[-1]
    gone.listener.shutdown(socket.SHUT_RDWR)  # to close it would leave it to its thread
    gone.stop()
    try:
        yield
    finally:
        Path(around.path).unlink()
        around.django.append(unix_server(around.path))


@contextmanager
def stopped(engine: Engine) -> Iterator[None]:
    engine.stop()
    try:
        yield
    finally:
        engine.start()


@contextmanager
def frozen(engine: Engine) -> Iterator[None]:
    engine.freeze()
    try:
        yield
    finally:
        engine.thaw()


Fault = Callable[[Around], AbstractContextManager[None]]
FAULTS: dict[str, tuple[Fault, bytes]] = {
    "the fence stands still": (
        lambda around: held(around.own, "UPDATE common_fence SET generation = generation"),
        b"This process cannot follow changes.",
    ),
    "no ledger": (lambda around: no_ledger(around.own), b"This process cannot count quotas."),
    "no application": (no_application, b"The application does not answer."),
    "database stopped": (lambda around: stopped(around.engine), b"database_unavailable"),
    "database frozen": (lambda around: frozen(around.engine), b"database_unavailable"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_missing_is_told_and_so_is_its_end(
    steady: Gateway, around: Around, fault: str
) -> None:
    begin, reason = FAULTS[fault]
    assert says(steady, 200)

    with begin(around):
        assert says(steady, 503, reason)
        assert steady.get("/healthz").status == 200

    assert says(steady, 200)


def test_a_start_is_told_until_the_upstreams_were_read(start: Start, own: OwnDatabase) -> None:
    own.execute("ALTER TABLE proxy_upstream RENAME TO hidden")
    try:
        gateway = start(DATABASE_URL=own.url).wait_until_listening()
        assert says(gateway, 503, b"The upstreams were not read yet.")
    finally:
        own.execute("ALTER TABLE hidden RENAME TO proxy_upstream")

    assert says(gateway, 200)


def test_without_valkey_it_is_ready_until_its_own_end(
    start: Start, own: OwnDatabase, valkey: Valkey
) -> None:
    given = {"DATABASE_URL": own.url, "REDIS_URL": valkey.url, "DRAIN_SECONDS": "1"}
    gateway = start(**given).wait_until_ready()
    valkey.child.kill()
    assert not within(1.2, lambda: gateway.get("/readyz").status != 200)

    busy = gateway.connect().send(b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
    asking = gateway.connect().send(request("GET", "/readyz"))
    assert asking.answer().status == 200
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    assert asking.send(request("GET", "/readyz")).answer().status == 503
    busy.send(b"x")
    assert gateway.stop() == 0


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
