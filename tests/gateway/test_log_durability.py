"""DUR-01, DUR-02, DUR-03: what a stop and a kill cost, told by the log's own books."""

import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.gateway.conftest import Database, Start
from tests.gateway.crowd import Crowd
from tests.gateway.logbooks import faults, ids, now
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow
PROCESSES, CLIENTS = 4, 24
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
KILLS = 6


class Clients:
    """They keep their connections as long as the answers let them, and never ask again what
    failed. ``paths``: taken in turn."""

    def __init__(self, gateway: Gateway, secret: str, paths: list[str]) -> None:
        self.gateway = gateway
        self.calls = [request("GET", path, secret) for path in paths]
        self.done: list[str] = []
        self.failed: list[str] = []
        self.threads = [threading.Thread(target=self.run, args=[n]) for n in range(CLIENTS)]

    def run(self, number: int) -> None:
        call = self.calls[number % len(self.calls)]
        try:
            wire = self.gateway.connect()
            while True:
                answer = wire.send(call).answer()
                self.done.append(answer.field("x-request-id"))
                if answer.status != 200:
                    self.failed.append(f"{answer.status}")
                if answer.field("connection") == "close":
                    wire = self.gateway.connect()
        except ConnectionRefusedError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
            self.failed.append(repr(error))

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(40)
            assert not thread.is_alive()


@pytest.fixture
def secret(database: Database, seeded: str) -> str:
    return database.key_for(f"dur-{uuid.uuid4().hex[:8]}", "echo")


@pytest.fixture
def paths(upstream: Server) -> list[str]:
    """Quick ones, and one that lasts well into the drain."""

    def slow(wire: Wire, _head: bytes) -> None:
        time.sleep(2)
        wire.send(OK)

    upstream.on("/lasts", slow)
    return ["/proxy/echo/x", "/proxy/echo/y", "/proxy/echo/lasts"]


@contextmanager
def locked_until(database: Database, stopped: threading.Event) -> Iterator[None]:
    """Others hold the log's table until a moment after the stop."""
    begun = threading.Event()

    def hold() -> None:
        with psycopg.connect(database.conninfo) as holder:
            holder.execute("LOCK TABLE apikeys_requestlog IN ACCESS EXCLUSIVE MODE")
            begun.set()
            stopped.wait(20)
            time.sleep(2.5)

    thread = threading.Thread(target=hold)
    thread.start()
    assert begun.wait(10)
    yield
    thread.join(30)


@pytest.mark.parametrize("run", range(3))
def test_a_stop_under_load_loses_no_row_and_fails_nobody(
    start: Start, database: Database, secret: str, paths: list[str], run: int
) -> None:
    gateway, began = start(PROCESSES).wait_until_ready(), now(database)
    clients = Clients(gateway, secret, paths)
    clients.start()
    time.sleep(1 + random.Random(run).random())
    asked = time.monotonic()
    assert gateway.stop() == 0
    seconds = time.monotonic() - asked
    clients.join()

    assert seconds <= 10
    assert clients.failed == []
    assert len(clients.done) > 200
    assert sorted(ids(database, secret)) == sorted(clients.done)
    assert faults(database, secret, began) == []


def test_a_stop_waits_for_a_log_that_is_held_up_for_a_moment(
    start: Start, database: Database, secret: str, paths: list[str]
) -> None:
    gateway, began = start(PROCESSES).wait_until_ready(), now(database)
    clients, stopped = Clients(gateway, secret, paths), threading.Event()
    clients.start()
    time.sleep(0.5)
    with locked_until(database, stopped):
        time.sleep(1)
        stopped.set()
        assert gateway.stop() == 0
    clients.join()

    assert clients.failed == []
    assert sorted(ids(database, secret)) == sorted(clients.done)
    assert faults(database, secret, began) == []


def test_kills_leave_neither_doubles_nor_orphans_and_cost_a_second(
    start: Start, database: Database, secret: str
) -> None:
    gateway, began = start(PROCESSES).wait_until_ready(), now(database)
    crowd, chance = Crowd(gateway, secret, CLIENTS, pause=0.02), random.Random(7)
    lost_between: list[tuple[float, float]] = []
    with crowd.asking():
        for _ in range(KILLS):
            time.sleep(1 + chance.random())
            victim = chance.choice(gateway.children())
            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            lost_between.append((killed - 1, killed + 0.1))
            assert within(10, lambda: len(gateway.children()) == PROCESSES)
    assert gateway.stop() == 0

    rows = Counter(ids(database, secret))
    answered = [seen for seen in crowd.seen if seen.status]
    missing = [seen for seen in answered if seen.request_id not in rows]
    assert {seen.status for seen in answered} == {200}
    assert max(rows.values()) == 1
    assert len(answered) > 500
    assert all(any(a <= seen.came <= b for a, b in lost_between) for seen in missing)
    broken = sum(not seen.status for seen in crowd.seen)
    assert len(rows) <= len(answered) + broken
    assert faults(database, secret, began) == []
