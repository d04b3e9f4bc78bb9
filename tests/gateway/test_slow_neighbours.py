"""RES-03, DUR-07, DUR-14: who is slow, client, upstream or Django, holds up nobody else."""

import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from proxy.gateway.pool import MAX_CONNECTIONS
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import Full, close, hang, says, sockets_to
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire, tcp_server, within

pytestmark = pytest.mark.slow

SIZED = "Content-Length: 9000"
CHUNKED = "Transfer-Encoding: chunked"
MANY = MAX_CONNECTIONS + 40
LARGE = 32 << 20  # more than the kernel takes for anybody
SLOW = 8
PATIENCE = 5.0  # of a request for a connection, where the upstream says nothing else
CALLS = 100
NOISE = 0.001  # seconds
TWICE = 2
TURNS = 3


@pytest.fixture
def alone(start: Start) -> Gateway:
    return start().wait_until_ready()


@pytest.fixture(scope="module")
def other() -> Iterator[Server]:
    """An upstream of these tests' own."""
    server = tcp_server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def mute() -> Iterator[socket.socket]:
    """Takes connections, in its kernel alone, and whatever is sent; answers nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield listener


@pytest.fixture(scope="module")
def slow_one(database: Database, seeded: str, other: Server, mute: socket.socket) -> Iterator[str]:
    """The key of somebody who may call ``slow``, ``mute``, ``full`` and ``echo``."""
    full = Full()
    with database.rows():
        made = [
            make.upstream("slow", f"http://127.0.0.1:{other.port}"),
            make.upstream("mute", f"http://127.0.0.1:{mute.getsockname()[1]}"),
            make.upstream("full", f"http://127.0.0.1:{full.port}"),
        ]
    yield database.key_for("slowed", "slow mute full echo")
    with database.rows():
        for one in made:
            one.delete()
    full.close()


def opened(gateway: Gateway, text: bytes, count: int) -> list[Wire]:
    return [gateway.connect().send(text) for _ in range(count)]


@pytest.mark.parametrize(("framing", "path"), [(SIZED, "/drips"), (CHUNKED, "/drips-in-chunks")])
def test_bodies_that_drip_take_no_connection_of_djangos(
    alone: Gateway, django: Server, framing: str, path: str
) -> None:
    """Nobody needs a key for this."""
    before = django.accepted
    text = request("POST", path, "", framing) + b"1\r\n"
    wires = opened(alone, text, MANY)
    for wire in wires:
        wire.send(b"x")
    began = time.monotonic()

    assert alone.get("/page").status == 200
    assert time.monotonic() - began < 2
    assert django.heads_of(path) == []
    assert django.accepted - before <= 2

    wires[0].send(b"\r\n0\r\n\r\n" if framing == CHUNKED else b"y" * 8996)
    assert wires[0].answer().status == 200


def test_a_long_body_that_drips_makes_room(alone: Gateway, django: Server) -> None:
    django.on("/long", says(b"", hang))
    text = request("POST", "/long", "", "Content-Length: 900000") + b"x" * 70_000
    wires: list[Wire] = []
    while len(wires) < MAX_CONNECTIONS:  # no more at once than the socket's queue takes
        wires += opened(alone, text, MAX_CONNECTIONS // 8)
        assert within(5, partial(has_come, django, "/long", len(wires)))

    assert alone.get("/page").status == 200

    assert sum(wire.is_closed_within(0.01) for wire in wires) == 1


def has_come(server: Server, path: str, times: int) -> bool:
    return len(server.heads_of(path)) == times


def unread(wire: Wire, _head: bytes) -> None:
    wire.socket.settimeout(20)
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + bytes(LARGE))


def deaf(gateway: Gateway, text: bytes) -> Wire:
    """A client with room for little that reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", gateway.port))
    wire = Wire(connection)
    gateway.wires.append(wire)
    return wire.send(text)


@pytest.mark.parametrize("reads", [False, True])
def test_slow_callers_of_an_upstream_make_room_for_others(
    alone: Gateway, slow_one: str, other: Server, reads: bool
) -> None:
    """Who drips a body, or who does not read; the many that are quick enough go on."""
    other.on("/up", says(b"", hang))
    other.on("/unread", unread)
    up = request("POST", "/proxy/slow/up", slow_one, "Content-Length: 90000000")
    assert within(12, lambda: other.open == 0)
    quick = opened(alone, up + b"x" * 200_000, MAX_CONNECTIONS - SLOW)
    with going_on(quick):
        for _ in range(SLOW):
            if reads:
                alone.connect().send(up)
            else:
                deaf(alone, request("GET", "/proxy/slow/unread", slow_one))
        assert within(10, lambda: other.open == MAX_CONNECTIONS)
        began = time.monotonic()

        assert alone.get("/proxy/slow/x", slow_one).status == 200

        assert time.monotonic() - began < PATIENCE
    assert not any(wire.is_closed_within(0.001) for wire in quick)


@contextlib.contextmanager
def going_on(wires: list[Wire]) -> Iterator[None]:
    """Each sends a little all the time."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.5):
            for wire in wires:
                wire.send(b"x")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_slow_upstream_or_django_does_not_slow_the_others(
    start: Start, slow_one: str, upstream: Server, mute: socket.socket
) -> None:
    """As full of requests without an answer as they can be, beside an upstream that takes no
    connection; each call of the other one has to make a connection too."""
    upstream.on("/closing", says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", close))
    port = mute.getsockname()[1]
    gateway = start(DJANGO_SOCKET=f"127.0.0.1:{port}").wait_until_listening()
    assert within(10, lambda: gateway.get("/proxy/echo/x", slow_one).status == 200)
    wire = gateway.connect()
    (pid,) = gateway.children()
    quiet, beside = [], []
    for _ in range(TURNS):
        quiet.append(calls(wire, slow_one, pid))
        with hanging(gateway, slow_one, port):
            beside.append(calls(wire, slow_one, pid))
        assert beside[-1].seconds[-1] < PATIENCE / 2, "one waited for who waits for another"

    for share in (0.5, 0.95):
        assert middle(beside, share) <= TWICE * middle(quiet, share) + NOISE
    assert work(beside) <= TWICE * work(quiet)


class Turn(NamedTuple):
    seconds: list[float]  # of each call, in their order of size
    cpu: int  # nanoseconds that the gateway ran


def calls(wire: Wire, secret: str, pid: int) -> Turn:
    found, text = [], request("GET", "/proxy/echo/closing", secret)
    before = ran(pid)
    for _ in range(CALLS):
        began = time.monotonic()
        assert wire.send(text).answer().status == 200
        found.append(time.monotonic() - began)
    return Turn(sorted(found), ran(pid) - before)


def ran(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def work(turns: list[Turn]) -> float:
    """The gateway's own, which no other process makes longer."""
    return statistics.median(turn.cpu for turn in turns)


@contextlib.contextmanager
def hanging(gateway: Gateway, secret: str, port: int) -> Iterator[None]:
    """As many as it may have and some that wait."""
    (pid,) = gateway.children()
    wires = opened(gateway, request("GET", "/proxy/mute/x", secret), MANY)
    wires += opened(gateway, request("GET", "/page"), MANY)
    wires += opened(gateway, request("GET", "/proxy/full/x", secret), 40)
    assert within(10, lambda: sockets_to(pid, port) == 2 * MAX_CONNECTIONS)
    yield
    for wire in wires:
        wire.close()
    assert within(10, lambda: sockets_to(pid, port) == 0)


def middle(turns: list[Turn], share: float) -> float:
    """The median of the turns' shares; 0.5 is the median of each."""
    return statistics.median(turn.seconds[int(CALLS * share)] for turn in turns)
