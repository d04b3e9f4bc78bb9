"""A slow request is counted and said in the process's log; a stream is slow by its first byte."""

import json
import time
import uuid
from typing import Any

import pytest

from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.handshake import accepted, opened
from tests.gateway.misbehaving import hang, says
from tests.gateway.processes import Gateway, request
from tests.gateway.test_log_sampling import figure
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


def late(wire: Wire, _head: bytes) -> None:
    time.sleep(0.6)
    wire.send(SIZED + b"late")


def late_end(wire: Wire, _head: bytes) -> None:
    wire.send(SIZED + b"la")
    time.sleep(0.6)
    wire.send(b"te")


def stream(wire: Wire, _head: bytes) -> None:
    wire.send(HEAD)
    for _ in range(3):
        time.sleep(0.2)
        wire.send(b"1\r\nx\r\n")
    wire.send(b"0\r\n\r\n")


def late_stream(wire: Wire, _head: bytes) -> None:
    time.sleep(0.6)
    wire.send(HEAD + b"1\r\nx\r\n0\r\n\r\n")


def a_little_late(wire: Wire, _head: bytes) -> None:
    time.sleep(0.01)
    wire.send(SIZED + b"late")


def quick(wire: Wire, _head: bytes) -> None:
    wire.send(SIZED + b"fast")


@pytest.fixture
def metrics(database: Database) -> str:
    with database.rows():
        return make.service_key("metrics").secret


def said(gateway: Gateway) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in gateway.lines]
    return [line for line in lines if line["event"] == "slow request"]


@pytest.mark.parametrize(
    ("script", "slow"),
    [(late, True), (late_end, True), (late_stream, True), (stream, False), (quick, False)],
)
def test_what_is_slow_is_counted_and_said_once(
    start: Start, key: str, metrics: str, upstream: Server, script: Any, slow: bool
) -> None:
    path = f"/slow-{uuid.uuid4().hex}"
    upstream.on(path, script)
    gateway = start(SLOW_REQUEST_MS="500").wait_until_ready()
    answer = gateway.ask(request("POST", f"/proxy/echo{path}?q=secret-query", key, body=b"hello"))

    assert answer.status == 200
    assert figure(gateway, metrics, "slow_requests_total") == int(slow)
    assert within(2, lambda: len(said(gateway)) == int(slow))
    for line in said(gateway):
        assert line["level"] == "warning"
        assert line["request_id"] == answer.field("x-request-id")
        assert (line["upstream"], line["status"]) == ("echo", 200)
        assert (line["bytes_in"], line["bytes_out"]) == (5, len(answer.body))
        assert 0 < line["first_byte_ms"] <= line["total_ms"]
        assert line["total_ms"] >= 500
        assert "secret-query" not in str(line)
        assert key not in str(line)
        assert path not in str(line)


@pytest.mark.parametrize(("wait", "slow"), [(0.0, False), (0.6, True)])
def test_a_websocket_is_slow_by_its_handshake(
    start: Start, key: str, metrics: str, upstream: Server, wait: float, slow: bool
) -> None:
    def answer(wire: Wire, _head: bytes) -> None:
        time.sleep(wait)
        wire.send(accepted())
        wire.is_closed_within(5)

    path = f"/slow-{uuid.uuid4().hex}"
    upstream.on(path, answer)
    gateway = start(SLOW_REQUEST_MS="500").wait_until_ready()
    wire = opened(gateway, key, path)
    time.sleep(0.7)
    wire.close()

    assert within(2, lambda: figure(gateway, metrics, "requests_in_flight") == 1)
    assert figure(gateway, metrics, "slow_requests_total") == int(slow)


def test_a_refusal_that_came_late_is_slow(start: Start, key: str, upstream: Server) -> None:
    path = f"/slow-{uuid.uuid4().hex}"
    upstream.on(path, says(b"", hang))
    gateway = start(SLOW_REQUEST_MS="300").wait_until_ready()

    assert gateway.get(f"/proxy/quick{path}", key).status == 504

    assert within(2, lambda: [line["status"] for line in said(gateway)] == [504])


@pytest.mark.parametrize(("waited", "slow"), [(400, False), (20, True)])
def test_a_long_poll_is_not_slow_while_it_waits(
    start: Start, metrics: str, django: Server, waited: int, slow: bool
) -> None:
    """So long, says Django, it waited as it was asked to; nobody else is told."""
    path, raw = f"/slow-{uuid.uuid4().hex}", SIZED + b"late"

    def poll(wire: Wire, _head: bytes) -> None:
        time.sleep(0.5)
        wire.send(raw.replace(b"\r\n", b"\r\nX-Momentry-Waited: %d\r\n" % waited, 1))

    django.on(path, poll)
    gateway = start(SLOW_REQUEST_MS="300").wait_until_ready()

    answer = gateway.get(path)

    assert (answer.status, answer.field("x-momentry-waited")) == (200, "")
    assert figure(gateway, metrics, "slow_requests_total") == int(slow)
    assert within(2, lambda: len(said(gateway)) == int(slow))


def test_zero_marks_nothing(start: Start, key: str, metrics: str, upstream: Server) -> None:
    path = f"/slow-{uuid.uuid4().hex}"
    upstream.on(path, late)
    gateway = start(SLOW_REQUEST_MS="0").wait_until_ready()

    assert gateway.get(f"/proxy/echo{path}", key).status == 200

    assert figure(gateway, metrics, "slow_requests_total") == 0
    assert said(gateway) == []


def test_many_slow_requests_are_all_counted_and_some_said(
    start: Start, key: str, metrics: str, upstream: Server
) -> None:
    path = f"/slow-{uuid.uuid4().hex}"
    upstream.on(path, a_little_late)
    gateway = start(SLOW_REQUEST_MS="5").wait_until_ready()
    began, wire = time.monotonic(), gateway.connect()
    for _ in range(80):
        assert wire.send(request("GET", f"/proxy/echo{path}", key)).answer().status == 200
    seconds = time.monotonic() - began

    assert figure(gateway, metrics, "slow_requests_total") >= 80
    assert 10 <= len(said(gateway)) <= 10 * (seconds + 2)
