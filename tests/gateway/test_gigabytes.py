"""PRX-12: a gibibyte in either direction and framing leaves memory flat, and first bytes hurry."""

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.gateway.conftest import Start
from tests.gateway.misbehaving import CHUNKED, OK, close, stay
from tests.gateway.processes import Gateway, request
from tests.gateway.tools import program
from tests.gateway.wire import Server, Wire

pytestmark = pytest.mark.slow

MIB = 1 << 20
BLOCKS = 1024
SIZE = BLOCKS * MIB
PERIOD = 1_048_583  # a prime above all that is read at once: no piece can stand in for another
TWICE = random.Random(1).randbytes(PERIOD) * 2
ALLOWED = 64.0  # MiB
SEEN_WITHIN = 0.05  # seconds


def pieces() -> Iterator[bytes]:
    """The gibibyte that is sent."""
    for number in range(BLOCKS):
        at = number * MIB % PERIOD
        yield TWICE[at : at + MIB]


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


class Body:
    """What came, held against what was sent; ``right`` are the bytes before the first wrong one's
    piece."""

    def __init__(self) -> None:
        self.seen = 0
        self.right = 0

    def take(self, data: bytes) -> None:
        at = self.seen % PERIOD
        if self.seen == self.right and data == TWICE[at : at + len(data)]:
            self.right += len(data)
        self.seen += len(data)

    def take_sized(self, wire: Wire) -> "Body":
        self.take(wire.take(len(wire.held)))
        while self.seen < SIZE and (data := wire.socket.recv(MIB)):
            self.take(data)
        return self

    def take_chunked(self, wire: Wire) -> "Body":
        while size := int(wire.until(b"\r\n"), 16):
            self.take(wire.exactly(size))
            wire.until(b"\r\n")
        wire.until(b"\r\n")
        return self

    def take_file(self, source: BinaryIO) -> "Body":
        while data := source.read(MIB):
            self.take(data)
        return self


def peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


@pytest.fixture
def alone(start: Start, key: str, upstream: Server) -> Gateway:
    gateway = start().wait_until_ready()
    assert gateway.get("/proxy/echo/x", key).status == 200
    return gateway


def curl(gateway: Gateway, key: str, path: str, *options: str) -> list[str]:
    place = f"http://127.0.0.1:{gateway.port}/proxy/echo{path}"
    return [program("curl", "curl"), "-sS", "-f", "-H", f"X-API-Key: {key}", *options, place]


@pytest.mark.parametrize("chunked", [False, True])
def test_curl_downloads_a_gibibyte(
    alone: Gateway, key: str, upstream: Server, chunked: bool
) -> None:
    def send(wire: Wire, _head: bytes) -> None:
        wire.send(CHUNKED if chunked else OK + b"Content-Length: %d\r\n\r\n" % SIZE)
        for piece in pieces():
            wire.send(chunk(piece) if chunked else piece)
        wire.send(b"0\r\n\r\n" if chunked else b"")

    upstream.on("/down", send)
    (pid,) = alone.children()
    before, body = peak_mib(pid), Body()
    with subprocess.Popen(curl(alone, key, "/down"), stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        body.take_file(client.stdout)

    assert client.returncode == 0
    assert (body.seen, body.right) == (SIZE, SIZE)
    assert peak_mib(pid) - before <= ALLOWED


def test_curl_uploads_a_gibibyte(alone: Gateway, key: str, upstream: Server) -> None:
    came = Body()

    def receive(wire: Wire, head: bytes) -> None:
        assert length.encode() in head
        came.take_sized(wire)
        wire.send(OK + b"Content-Length: 0\r\n\r\n")

    upstream.on("/taken", receive)
    (pid,) = alone.children()
    before = peak_mib(pid)
    length = f"Content-Length: {SIZE}"
    # Told the length, curl sends from a pipe as from a file: none has to be written.
    command = curl(alone, key, "/taken", "-T", "-", "-H", length, "-H", "Transfer-Encoding:")
    with subprocess.Popen(command, stdin=subprocess.PIPE) as client:
        assert client.stdin is not None
        client.stdin.writelines(pieces())

    assert client.returncode == 0
    assert (came.seen, came.right) == (SIZE, SIZE)
    assert peak_mib(pid) - before <= ALLOWED


def test_a_gibibyte_in_large_chunks_up(alone: Gateway, key: str, upstream: Server) -> None:
    came = Body()

    def receive(wire: Wire, _head: bytes) -> None:
        came.take_chunked(wire)
        wire.send(OK + b"Content-Length: 0\r\n\r\n")

    upstream.on("/chunks", receive)
    (pid,) = alone.children()
    before = peak_mib(pid)
    wire = alone.connect()
    wire.send(request("POST", "/proxy/echo/chunks", key, "Transfer-Encoding: chunked"))
    for piece in pieces():
        wire.send(chunk(piece))

    assert wire.send(b"0\r\n\r\n").answer().status == 200
    assert (came.seen, came.right) == (SIZE, SIZE)
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
