"""PRX-12: memory stays flat however much passes and however slow one end is."""

import threading
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire

pytestmark = pytest.mark.slow

MIB = 1 << 20
BLOCK = b"x" * MIB


def peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


@pytest.fixture
def alone(start: Start) -> Gateway:
    return start().wait_until_ready()


def test_a_big_download_by_a_slow_client(alone: Gateway, key: str, upstream: Server) -> None:
    def big(wire: Wire, _head: bytes) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MIB))
        for _ in range(200):
            wire.send(BLOCK)

    upstream.on("/big", big)
    (pid,) = alone.children()
    before = peak_mib(pid)
    wire = alone.connect().send(request("GET", "/proxy/echo/big", key))
    wire.head()
    threading.Event().wait(1)  # whoever does not push back has taken all of it by now

    got = len(wire.held)
    while got < 200 * MIB:
        got += len(wire.socket.recv(MIB))

    assert got == 200 * MIB
    assert peak_mib(pid) - before < 32


def test_answers_do_not_pile_up_for_a_client_that_reads_nothing(
    alone: Gateway, key: str, upstream: Server
) -> None:
    size = 200_000  # so little that each is written before the push back is felt
    body = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    upstream.on("/much", lambda wire, _: wire.send(body))
    (pid,) = alone.children()
    before = peak_mib(pid)
    wire = alone.connect().send(request("GET", "/proxy/echo/much", key) * 400)
    threading.Event().wait(2)

    assert [len(wire.answer().body) for _ in range(400)] == [size] * 400
    assert peak_mib(pid) - before < 32


def test_a_big_upload_to_a_slow_upstream(alone: Gateway, key: str, upstream: Server) -> None:
    def slow(wire: Wire, _head: bytes) -> None:
        threading.Event().wait(1)
        for _ in range(200):
            wire.exactly(MIB)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    upstream.on("/slowly", slow)
    (pid,) = alone.children()
    before = peak_mib(pid)
    wire = alone.connect()
    wire.send(request("POST", "/proxy/echo/slowly", key, f"Content-Length: {200 * MIB}"))
    for _ in range(200):
        wire.send(BLOCK)

    assert wire.answer().status == 200
    assert peak_mib(pid) - before < 32
