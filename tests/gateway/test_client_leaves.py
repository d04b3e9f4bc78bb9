"""PRX-13: a client that leaves, by FIN or by RST and at any stage, leaves nothing behind."""

import socket
import struct
from collections.abc import Iterator
from functools import partial

import pytest

from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import CHUNKED, Full, hang, links, says, sockets_to
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

TIMES = 200
STAGES = [
    "in its head",
    "before its body",
    "in its body",
    "in a chunk",
    "before 100",
    "after 100",
    "waiting",
    "in the answer",
    "with a request to follow",
]
ENDS = ["FIN", "RST"]
SPARE = 10 + 4  # connections to the database and to Valkey that the demand may have made


def leave(wire: Wire, end: str) -> None:
    if end == "RST":
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def come(gateway: Gateway, key: str, stage: str, end: str) -> Wire:
    """A client as it is when it leaves."""
    wire = gateway.connect()
    gateway.wires.remove(wire)
    path = f"/proxy/echo/{'stream' if stage == 'in the answer' else 'wait'}-{end}"
    get, post = request("GET", path, key), partial(request, "POST", path, key)
    expecting = post("Content-Length: 10", "Expect: 100-continue")
    sent = {
        "in its head": get[:-20],
        "before its body": post("Content-Length: 10"),
        "in its body": post("Content-Length: 10") + b"12345",
        "in a chunk": post("Transfer-Encoding: chunked") + b"5\r\nab",
        "before 100": expecting,
        "after 100": expecting,
        "waiting": get,
        "in the answer": get,
        "with a request to follow": get + get,
    }
    wire.send(sent[stage])
    if stage in {"after 100", "in the answer"}:
        wire.head()
    return wire


@pytest.fixture
def alone(start: Start, key: str, upstream: Server) -> Gateway:
    """One process, warm: what it opens for itself is open."""
    for end in ENDS:
        upstream.on(f"/wait-{end}", says(b"", hang))
        upstream.on(f"/stream-{end}", says(CHUNKED + b"5\r\nfirst\r\n", hang))
    gateway = start().wait_until_ready()
    for _ in range(20):
        assert gateway.get("/proxy/echo/x", key).status == 200
    return gateway


def test_the_upstreams_connection_goes_within_a_second(
    alone: Gateway, key: str, upstream: Server
) -> None:
    (pid,) = alone.children()
    for stage in STAGES[1:]:
        for end in ENDS:
            upstream.close_all()
            assert within(1, lambda: sockets_to(pid, upstream.port) == 0)
            wire = come(alone, key, stage, end)
            assert within(1, lambda: sockets_to(pid, upstream.port) == 1)

            leave(wire, end)

            assert within(1, lambda: sockets_to(pid, upstream.port) == 0), (stage, end)


@pytest.mark.parametrize("end", ENDS)
def test_two_hundred_of_each_leave_no_descriptor_and_one_row_each(
    alone: Gateway, database: Database, key: str, upstream: Server, end: str
) -> None:
    (pid,) = alone.children()
    before = sockets_of(pid)
    rows_before = rows(database, end)
    for stage in STAGES:
        for _ in range(TIMES):
            leave(come(alone, key, stage, end), end)

    assert within(2, lambda: sockets_to(pid, upstream.port) == 0)
    assert within(2, lambda: sockets_of(pid) <= before + SPARE), sockets_of(pid) - before
    assert alone.get("/proxy/echo/x", key).status == 200
    assert alone.stop() == 0
    assert alone.errors() == []
    assert rows(database, end) - rows_before == TIMES * len(STAGES[1:])


def sockets_of(pid: int) -> int:
    return sum(link.startswith("socket:") for link in links(pid))


def rows(database: Database, end: str) -> int:
    found = "SELECT count(*) FROM apikeys_requestlog WHERE path LIKE %s"
    return int(str(database.fetch(found, f"/proxy/echo/%-{end}")[0][0]))


@pytest.fixture
def full() -> Iterator[Full]:
    made = Full()
    yield made
    made.close()


@pytest.mark.parametrize("end", ENDS)
def test_a_connection_that_is_being_made_goes_too(
    start: Start, key: str, database: Database, full: Full, end: str
) -> None:
    """Its time-out is five seconds."""
    with database.rows():
        made = make.upstream("rising", f"http://127.0.0.1:{full.port}")
    secret = database.key_for(f"left-{end}", "rising")
    gateway = start().wait_until_ready()
    (pid,) = gateway.children()
    wires = [gateway.connect() for _ in range(20)]
    for wire in wires:
        wire.send(request("GET", "/proxy/rising/", secret))
    assert within(2, lambda: sockets_to(pid, full.port) == 20)

    for wire in wires:
        leave(wire, end)

    assert within(1, lambda: sockets_to(pid, full.port) == 0)
    with database.rows():
        made.delete()
