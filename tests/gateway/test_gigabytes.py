"""PRX-12: a gibibyte in either direction and framing leaves memory flat, and first bytes hurry."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.misbehaving import CHUNKED, OK, close, stay
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire

pytestmark = pytest.mark.slow

MIB = 1 << 20
BLOCKS = 1024
SIZE = BLOCKS * MIB
BLOCK = b"x" * MIB
CHUNK = b"100000\r\n" + BLOCK + b"\r\n"
ALLOWED = 64.0  # MiB
SEEN_WITHIN = 0.05  # seconds


def peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


@pytest.fixture
def alone(start: Start, key: str, upstream: Server) -> Gateway:
    gateway = start().wait_until_ready()
    assert gateway.get("/proxy/echo/x", key).status == 200
    return gateway


def count(wire: Wire, end: bytes) -> int:
    """Bytes of the body, which is all of x, up to its size or what ends it."""
    seen, held = wire.held.count(b"x"), wire.held[-8:]
    wire.held = b""
    while seen < SIZE or not held.endswith(end):
        data = wire.socket.recv(MIB)
        assert data, f"closed after {seen} bytes"
        seen += data.count(b"x")
        held = (held + data)[-8:]
    return seen


@pytest.mark.parametrize("chunked", [False, True])
def test_a_gibibyte_down(alone: Gateway, key: str, upstream: Server, chunked: bool) -> None:
    def send(wire: Wire, _head: bytes) -> None:
        wire.send(CHUNKED if chunked else OK + b"Content-Length: %d\r\n\r\n" % SIZE)
        for _ in range(BLOCKS):
            wire.send(CHUNK if chunked else BLOCK)
        wire.send(b"0\r\n\r\n" if chunked else b"")

    upstream.on("/down", send)
    (pid,) = alone.children()
    before = peak_mib(pid)
    wire = alone.connect().send(request("GET", "/proxy/echo/down", key))
    wire.head()

    assert count(wire, b"0\r\n\r\n" if chunked else b"") == SIZE
    assert peak_mib(pid) - before <= ALLOWED


@pytest.mark.parametrize("chunked", [False, True])
def test_a_gibibyte_up(alone: Gateway, key: str, upstream: Server, chunked: bool) -> None:
    got: list[int] = []

    def receive(wire: Wire, _head: bytes) -> None:
        got.append(count(wire, b"0\r\n\r\n" if chunked else b""))
        wire.send(OK + b"Content-Length: 0\r\n\r\n")

    upstream.on("/up", receive)
    (pid,) = alone.children()
    before = peak_mib(pid)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {SIZE}"
    wire = alone.connect().send(request("POST", "/proxy/echo/up", key, framing))
    for _ in range(BLOCKS):
        wire.send(CHUNK if chunked else BLOCK)
    wire.send(b"0\r\n\r\n" if chunked else b"")

    assert wire.answer().status == 200
    assert got == [SIZE]
    assert peak_mib(pid) - before <= ALLOWED


FRAMINGS: dict[str, tuple[bytes, Callable[[Wire], None]]] = {
    "sized": (OK + b"Content-Length: 4\r\n\r\n", stay),
    "chunked": (CHUNKED, stay),
    "until the end": (OK + b"\r\n", close),
}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_head_and_each_first_byte_pass_at_once(
    gateway: Gateway, key: str, upstream: Server, framing: str, version: str
) -> None:
    """Seen by the client before the upstream goes on."""
    raw, end = FRAMINGS[framing]
    go, sent = threading.Event(), []

    def step_by_step(wire: Wire, _head: bytes) -> None:
        first, last = (
            (b"2\r\nab\r\n", b"2\r\ncd\r\n0\r\n\r\n") if "chunk" in framing else (b"ab", b"cd")
        )
        for piece in (raw, first, last):
            sent.append(time.monotonic())
            wire.send(piece)
            assert go.wait(5)
            go.clear()
        end(wire)

    upstream.on("/steps", step_by_step)
    wire = gateway.connect()
    head = f"GET /proxy/echo/steps HTTP/{version}\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n"
    wire.send(head.encode())

    late = []
    for mark in (b"\r\n\r\n", b"ab", b"cd"):
        wire.until(mark)
        late.append(time.monotonic() - sent[-1])
        go.set()

    assert max(late) <= SEEN_WITHIN
