"""PRX-14, RES-01: the times of docs/gateway.md as they are without any setting, all waited for at
once: of a body, a head and an unused connection, of an answer, of an upstream and of Django."""

import contextlib
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import pytest

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.handshake import ASKED, accepted, frame
from tests.gateway.misbehaving import OK, Full, outcome, row_of
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut, Script, Server, Wire

pytestmark = pytest.mark.slow

CONNECT, HEAD, BODY, UNTAKEN, UPSTREAM, UNUSED = 5.0, 10.0, 30.0, 30.0, 60.0, 75.0
LONGEST: Final = 90.0
LATE: Final = 0.5
AGENT: Final = re.compile(rb"\r\nuser-agent: (.+?)\r\n", re.IGNORECASE)
BEGUN: Final = OK + b"Content-Length: 10\r\n\r\nbegun"


class Seen(NamedTuple):
    """``status`` and ``code``: of the answer, or of its row where it is cut; 0 and "" for none."""

    status: int
    code: str
    seconds: float


class Place:
    """Everything that a wait may need."""

    def __init__(self, gateway: Gateway, database: Database, key: str, mark: str) -> None:
        self.gateway, self.database, self.key, self.mark = gateway, database, key, mark
        self.came: dict[str, float] = {}  # when it was read by whom it was for, by its user agent

    def after(self, *sent: bytes) -> Wire:
        """A connection on which this was said last."""
        wire = self.gateway.connect()
        wire.socket.settimeout(LONGEST)
        for each in sent:
            wire.send(each)
        return wire

    def call(self, path: str, *fields: str, method: str = "GET") -> bytes:
        agent = f"User-Agent: {' '.join((method, path, *fields[:1]))}"
        return request(method, path.format(self.mark), self.key, agent, *fields)

    def seen(self, wire: Wire, began: float, agent: str = "") -> Seen:
        got = outcome(wire)
        seconds = time.monotonic() - self.came.get(agent, began)
        assert wire.is_closed_within(3) or got.is_whole
        logged = row_of(self.database, got.request_id)
        assert logged["status"] == got.status
        assert not got.is_whole or got.code == logged["code"]
        return Seen(got.status, logged["code"], seconds)


def of_a_body(path: str, framing: str, sent: bytes) -> Callable[[Place], Seen]:
    def wait(place: Place) -> Seen:
        wire = place.after(place.call(path, framing, method="POST") + sent)
        return place.seen(wire, time.monotonic(), f"POST {path} {framing}")

    return wait


def of_an_answer(path: str) -> Callable[[Place], Seen]:
    def wait(place: Place) -> Seen:
        wire = place.after(place.call(path))
        return place.seen(wire, time.monotonic(), f"GET {path}")

    return wait


def of_a_head(place: Place) -> Seen:
    began = time.monotonic()
    return place.seen(place.after(b"GET /proxy/echo/late HTTP/1.1\r\nHost: x\r\n"), began)


def ended(wire: Wire, began: float) -> Seen:
    """Without a word, but in order."""
    assert wire.rest() == b""
    return Seen(0, "", time.monotonic() - began)


def of_silence(place: Place) -> Seen:
    began = time.monotonic()
    return ended(place.after(), began)


def of_a_kept_connection(place: Place) -> Seen:
    wire = place.after(place.call("/proxy/echo/kept"))
    assert wire.answer().status == 200
    return ended(wire, time.monotonic())


def of_a_websocket(place: Place) -> Seen:
    wire = place.after(place.call("/proxy/echo/ws-{0}", *ASKED))
    head = wire.head()
    began = time.monotonic()
    assert wire.rest() == frame(b"\x03\xe9upstream_timeout", opcode=8)
    seconds = time.monotonic() - began
    logged = row_of(place.database, head.field("x-request-id"))
    return Seen(logged["status"], logged["code"], seconds)


def small(place: Place) -> Wire:
    """A connection of a client that takes next to nothing."""
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    end.connect(("127.0.0.1", place.gateway.port))
    place.gateway.wires.append(Wire(end))
    return place.gateway.wires[-1]


def of_answers_that_nobody_takes(place: Place) -> Seen:
    """Whole ones: of requests that came one upon the other."""
    wire, began = small(place), time.monotonic()
    wire.socket.settimeout(1)
    with contextlib.suppress(TimeoutError):
        while True:
            wire.send(request("GET", "/healthz") * 500)
            began = time.monotonic()
    wire.socket.settimeout(LONGEST)
    with contextlib.suppress(OSError):
        while True:  # refused as soon as nobody is there
            wire.send(b"x")
    return Seen(0, "", time.monotonic() - began)


WAITS: Final[dict[str, tuple[Callable[[Place], Seen], Seen]]] = {
    "no connection": (of_an_answer("/proxy/{0}-full/x"), Seen(504, "upstream_timeout", CONNECT)),
    "a head": (of_a_head, Seen(408, "request_timeout", HEAD)),
    "silence": (of_silence, Seen(0, "", HEAD)),
    "a sized body": (
        of_a_body("/proxy/echo/mute-{0}", "Content-Length: 10", b"abc"),
        Seen(408, "request_timeout", BODY),
    ),
    "a body in chunks": (
        of_a_body("/proxy/echo/mute-{0}", "Transfer-Encoding: chunked", b"5\r\nab"),
        Seen(408, "request_timeout", BODY),
    ),
    "a body for Django": (
        of_a_body("/api/v1/mute-{0}", "Content-Length: 10", b"abc"),
        Seen(408, "request_timeout", BODY),
    ),
    "answers that nobody takes": (of_answers_that_nobody_takes, Seen(0, "", UNTAKEN)),
    "an upstream's head": (
        of_an_answer("/proxy/echo/mute-{0}"),
        Seen(504, "upstream_timeout", UPSTREAM),
    ),
    "an upstream's body": (
        of_an_answer("/proxy/echo/begun-{0}"),
        Seen(200, "upstream_timeout", UPSTREAM),
    ),
    "Django's head": (of_an_answer("/api/v1/mute-{0}"), Seen(504, "upstream_timeout", UPSTREAM)),
    "Django's body": (of_an_answer("/api/v1/begun-{0}"), Seen(200, "upstream_timeout", UPSTREAM)),
    "a WebSocket": (of_a_websocket, Seen(101, "upstream_timeout", UPSTREAM)),
    "a kept connection": (of_a_kept_connection, Seen(0, "", UNUSED)),
}


def waits(place: Place, said: bytes) -> Script:
    """The time runs from here: to be admitted, and to be connected, has its own."""

    def script(wire: Wire, head: bytes) -> None:
        place.came[AGENT.search(head)[1].decode()] = time.monotonic()
        wire.send(said)
        wire.is_closed_within(LONGEST)
        raise Cut("it went")

    return script


@pytest.fixture
def place(
    gateway: Gateway, database: Database, upstream: Server, django: Server, seeded: str
) -> Iterator[Place]:
    mark = uuid.uuid4().hex[:8]
    full = Full()
    with database.rows():
        row = make.upstream(f"{mark}-full", f"http://127.0.0.1:{full.port}")
    made = Place(gateway, database, database.key_for(f"times-{mark}", f"echo {mark}-full"), mark)
    for path, server in ((f"/{{}}-{mark}", upstream), (f"/api/v1/{{}}-{mark}", django)):
        server.on(path.format("mute"), waits(made, b""))
        server.on(path.format("begun"), waits(made, BEGUN))
    upstream.on(f"/ws-{mark}", waits(made, accepted()))
    for _ in range(8):  # both processes know the key
        assert gateway.get("/proxy/echo/x", made.key).status == 200
    yield made
    full.close()
    with database.rows():
        row.delete()


def test_each_comes_within_half_a_second(place: Place) -> None:
    with ThreadPoolExecutor(len(WAITS)) as threads:
        running = {name: threads.submit(wait, place) for name, (wait, _) in WAITS.items()}
        seen = {name: each.result() for name, each in running.items()}

    wanted = {name: expected for name, (_, expected) in WAITS.items()}
    assert {name: each[:2] for name, each in seen.items()} == {
        name: each[:2] for name, each in wanted.items()
    }
    late = {name: each.seconds - wanted[name].seconds for name, each in seen.items()}
    assert {name: by for name, by in late.items() if not -0.05 <= by <= LATE} == {}
