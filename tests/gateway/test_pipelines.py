"""RES-01: requests that come one upon the other wait in one read buffer, and are not read on."""

import contextlib
import socket
import threading
import time

import pytest

from tests.gateway.conftest import Start
from tests.gateway.outages import memory
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Wire

PROBES = request("GET", "/healthz") * 2000
FLOOD = 64 << 20  # bytes; what the kernel keeps of it for both ends is some 10 MiB
TAKEN = 24 << 20
GROWTH = 8.0  # MiB


def pour(wire: Wire) -> int:
    """How many bytes were taken within two seconds, or before nothing moved for one."""
    wire.socket.settimeout(1)
    taken, end = 0, time.monotonic() + 2
    with contextlib.suppress(TimeoutError):
        while taken < FLOOD and time.monotonic() < end:
            taken += wire.socket.send(PROBES[taken % len(PROBES) :])
    return taken


@pytest.fixture(scope="module")
def alone(start_once: Start, seeded: str) -> Gateway:
    return start_once(1).wait_until_ready()


def test_who_reads_no_answer_is_not_read_either(alone: Gateway) -> None:
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", alone.port))
    wire = Wire(small)
    alone.wires.append(wire)
    before = memory(alone.children())

    taken = pour(wire)

    assert taken < TAKEN
    assert memory(alone.children()) - before < GROWTH
    assert alone.get("/healthz").status == 200


def test_who_asks_faster_than_is_answered_waits(alone: Gateway) -> None:
    wire, before = alone.connect(), memory(alone.children())

    def read() -> None:
        with contextlib.suppress(OSError):
            while wire.socket.recv(1 << 20):
                pass

    reader = threading.Thread(target=read)
    reader.start()
    pour(wire)

    assert memory(alone.children()) - before < GROWTH
    wire.socket.shutdown(socket.SHUT_RDWR)
    reader.join()


def test_who_ends_its_side_behind_many_gets_all_answers(alone: Gateway) -> None:
    wire = alone.connect().send(PROBES).send(PROBES)
    wire.end()

    for _ in range(4000):
        assert wire.answer().status == 200
    assert wire.rest() == b""
