"""RES-03: in a process that is full, clients that only wait make room for newcomers."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.misbehaving import Gate, links, says
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut, Server, Wire, within

PLACES = 32
PART = b"GET /proxy/echo/x HTTP/1.1\r\nHost: x\r\n"
FLOODER = "127.0.0.2"
GRACE = 1.0  # seconds in which nobody of an address with few connections has to ask
STILL = 3.0
LEASE = "10"  # seconds: a machine whose cores are busy holds up the database too
LISTENS = "0A"  # of the states of tcp(7)
MANY = 3000
DEARER = 15  # times what a connection costs that takes a free place
TICK = 0.01  # more than one of the clock that the gateway orders by
LARGE = 32 << 20  # more than the kernel takes for anybody
ASKED = request("GET", "/healthz")  # of nothing but the gateway
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def small(start_once: Start, seeded: str) -> Gateway:
    """With PLACES for connections."""
    values = {"GATEWAY_MAX_CONNECTIONS": str(PLACES), "FENCE_LEASE_SECONDS": LEASE}
    return start_once(1, **values).wait_until_ready()


@pytest.fixture
def gateway(small: Gateway) -> Iterator[Gateway]:
    """Nobody is connected."""
    assert within(5, lambda: clients_of(small) == 0)
    yield small
    small.close_wires()
    assert small.errors() == []


def clients_of(gateway: Gateway) -> int:
    return sum(clients_in(pid, gateway.port) for pid in gateway.children())


def clients_in(pid: int, port: int) -> int:
    """Connections to this port that the process holds."""
    inodes = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[3] != LISTENS:
            inodes.add(f"socket:[{fields[9]}]")
    return sum(link in inodes for link in links(pid))


def kept(gateway: Gateway, key: str, count: int, pause: float = 0.0) -> list[Wire]:
    """Connections that had an answer, the longest unused one first."""
    wires = [gateway.connect() for _ in range(count)]
    for wire in wires:
        assert status(wire, key) == 200
        time.sleep(pause)
    return wires


def status(wire: Wire, key: str, path: str = "/proxy/echo/x") -> int:
    return wire.send(request("GET", path, key)).answer().status


def dripping(gateway: Gateway, count: int, said: bytes = PART) -> list[Wire]:
    """Heads that do not end, the oldest first."""
    wires = [gateway.connect().send(said) for _ in range(count)]
    assert within(5, lambda: clients_of(gateway) >= count)
    return wires


def is_closed(wire: Wire) -> bool:
    return wire.is_closed_within(0.01)


def test_the_longest_unused_connection_ends_for_a_newcomer(gateway: Gateway, key: str) -> None:
    wires = kept(gateway, key, PLACES, TICK)
    assert status(wires[0], key) == 200

    newcomers = [wire for _ in range(4) for wire in kept(gateway, key, 1)]

    assert [wires.index(wire) for wire in wires if is_closed(wire)] == [1, 2, 3, 4]
    assert wires[1].rest() == b""
    assert {status(wire, key) for wire in [wires[0], *wires[5:], *newcomers]} == {200}


def test_who_has_not_asked_goes_before_kept_connections_and_a_dripper_is_told(
    gateway: Gateway, key: str
) -> None:
    silent = gateway.connect()
    time.sleep(TICK)
    dripper = gateway.connect().send(PART)
    wires = kept(gateway, key, PLACES - 2)
    time.sleep(GRACE + 0.1)

    assert status(gateway.connect(), key) == 200
    assert silent.rest() == b""
    dripper.send(b"X-A: b\r\n")  # buys no time
    assert status(gateway.connect(), key) == 200
    told = dripper.answer()
    assert (told.status, told.field("connection")) == (503, "close")
    assert b'"overloaded"' in told.body
    assert int(told.field("retry-after")) >= 1
    assert not any(is_closed(wire) for wire in wires)


def test_many_who_drip_shut_nobody_out(gateway: Gateway, key: str) -> None:
    """Several times as many as there are places; each newcomer's head comes in two pieces."""
    wires = dripping(gateway, PLACES)
    for _ in range(PLACES):
        newcomer = gateway.connect().send(PART)
        wires += [gateway.connect().send(PART) for _ in range(PLACES // 4)]
        newcomer.send(request("GET", "/", key).partition(b"\r\nHost: gateway.test\r\n")[2])
        assert newcomer.answer().status == 200
        newcomer.close()

    assert not any(is_closed(wire) for wire in wires[-PLACES // 4 :])


@contextlib.contextmanager
def flooding(gateway: Gateway) -> Iterator[list[int]]:
    """Another address opens connections as fast as it can, and says nothing on them; yields how
    many there were."""
    over, count = threading.Event(), [0]

    def run() -> None:
        mine: list[socket.socket] = []
        while not over.is_set():
            place = ("127.0.0.1", gateway.port)
            mine.append(socket.create_connection(place, 5, source_address=(FLOODER, 0)))
            count[0] += 1
            if len(mine) > 4 * PLACES:
                mine.pop(0).close()
        for each in mine:
            each.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield count
    finally:
        over.set()
        thread.join()


def test_a_flood_from_one_address_takes_only_its_own_places(gateway: Gateway, key: str) -> None:
    wires = kept(gateway, key, 8)
    dripper = gateway.connect().send(PART)
    with flooding(gateway) as count:
        assert within(5, lambda: count[0] > PLACES)
        for _ in range(10):
            newcomer = gateway.connect()
            before = count[0]
            assert within(5, lambda: count[0] > before + 2 * PLACES)  # noqa: B023 - used at once
            assert newcomer.send(ASKED).answer().body == b"ok\n"
            newcomer.close()

    assert {status(wire, key) for wire in wires} == {200}
    assert not is_closed(dripper)


class Pour:
    """Sends more than anybody takes; ``cut`` once nobody wants it any more."""

    def __init__(self) -> None:
        self.cut = threading.Event()

    def __call__(self, wire: Wire, _head: bytes) -> None:
        wire.socket.settimeout(20)
        try:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + bytes(LARGE))
        except OSError:
            self.cut.set()
            raise


def deaf(gateway: Gateway, text: bytes) -> None:
    """A client with room for little that reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", gateway.port))
    gateway.wires.append(Wire(connection).send(text))


@pytest.mark.slow
def test_a_newcomer_is_refused_only_while_all_have_requests_that_move(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    """Not a form that drips, which needs no key, nor an answer that nobody reads. An upstream that
    takes its time makes nobody slow."""
    held, poured = Gate(says(OK)), Pour()
    upstream.on("/held-places", held)
    upstream.on("/pour-places", poured)
    form = gateway.connect().send(request("POST", "/form", "", "Content-Length: 9000") + b"a=")
    deaf(gateway, request("GET", "/proxy/echo/pour-places", key))
    asked = request("GET", "/proxy/echo/held-places", key)
    wires = [gateway.connect().send(asked) for _ in range(PLACES - 2)]
    assert within(5, lambda: held.came == len(wires))
    assert gateway.connect().answer().status == 503
    time.sleep(STILL + 0.3)

    newcomers = [gateway.connect().send(asked) for _ in range(2)]

    assert within(5, lambda: held.came == PLACES)
    assert gateway.connect().answer().status == 503
    assert form.answer().status == 408
    assert poured.cut.wait(1)
    held.opened.set()
    assert {wire.answer().status for wire in wires + newcomers} == {200}


def test_a_request_that_has_arrived_is_answered(gateway: Gateway, key: str) -> None:
    """Newcomers come before it, while the gateway does not look."""
    wires = kept(gateway, key, PLACES)
    (pid,) = gateway.children()
    os.kill(pid, signal.SIGSTOP)
    newcomers = [gateway.connect() for _ in range(PLACES)]
    for wire in wires:
        wire.send(request("GET", "/proxy/echo/x", key))
    os.kill(pid, signal.SIGCONT)

    assert {wire.answer().status for wire in wires} == {200}
    assert {newcomer_status(wire, key) for wire in newcomers} <= {200, 503}


def newcomer_status(wire: Wire, key: str) -> int:
    with contextlib.suppress(OSError):
        wire.send(request("GET", "/proxy/echo/x", key))
    try:
        return wire.answer().status
    except Cut:
        return 0


@pytest.mark.slow
def test_a_place_costs_little_however_many_wait(start: Start, seeded: str) -> None:
    """Nobody looks at all of them for each newcomer."""
    gateway = start(1, GATEWAY_MAX_CONNECTIONS=str(MANY)).wait_until_ready()
    free = cost_of(gateway, PART)

    assert cost_of(gateway, PART) < DEARER * free


def cost_of(gateway: Gateway, said: bytes) -> int:
    """Nanoseconds that the gateway runs for MANY who come and say this, and one who is answered."""
    (pid,) = gateway.children()
    before = ran(pid)
    dripping(gateway, MANY, said)
    assert gateway.connect().send(ASKED).answer().status == 200
    return ran(pid) - before


def ran(pid: int) -> int:
    """Nanoseconds that a process ran."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
