"""A gateway that is told to stop ends soon, whatever stands still around it."""

import os
import signal
import time

import pytest
from redis import Redis

from momentry.supervisor.valkey import Valkey
from tests.gateway.conftest import Start
from tests.gateway.engine import Engine, OwnDatabase

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

MARGIN = 4.9  # past DRAIN_SECONDS; `up` kills after five


def test_a_gateway_ends_while_database_and_valkey_stand_still(
    start: Start, own: OwnDatabase, engine: Engine, valkey: Valkey
) -> None:
    """With units on lease, rows to write, and requests that wait for an answer."""
    secret = own.key_for("alice", "echo", monthly=10_000)
    other = own.key_for("bob", "echo", monthly=10_000)
    own.execute("UPDATE apikeys_tier SET requests_per_minute = 1000, concurrent_requests = 50")
    given = {"DATABASE_URL": own.url, "REDIS_URL": valkey.url, "DRAIN_SECONDS": "1"}
    gateway = start(2, **given).wait_until_ready()
    assert {gateway.get("/proxy/echo/x", secret).status for _ in range(20)} == {200}
    assert Redis.from_url(valkey.url).keys("momentry:*")
    waiting = [gateway.connect() for _ in range(8)]

    engine.freeze()
    os.kill(valkey.child.pid, signal.SIGSTOP)
    try:
        for number, wire in enumerate(waiting):
            key = secret if number % 2 else other
            wire.send(f"GET /proxy/echo/x HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n".encode())
        time.sleep(0.3)
        began = time.monotonic()
        code = gateway.stop()
        took = time.monotonic() - began
    finally:
        engine.thaw()
        os.kill(valkey.child.pid, signal.SIGCONT)

    assert took <= 1 + MARGIN
    assert code == 0
    assert gateway.errors() == []


def test_a_gateway_ends_while_its_database_is_gone(
    start: Start, own: OwnDatabase, engine: Engine
) -> None:
    secret = own.key_for("carol", "echo", monthly=10_000)
    gateway = start(2, DATABASE_URL=own.url, DRAIN_SECONDS="1").wait_until_ready()
    assert {gateway.get("/proxy/echo/x", secret).status for _ in range(20)} == {200}

    engine.kill()
    time.sleep(0.2)
    began = time.monotonic()

    try:
        assert gateway.stop() == 0
        assert time.monotonic() - began <= 1 + MARGIN
        assert gateway.errors() == []
    finally:
        engine.start()
