"""DUR-01 with the DRAIN_SECONDS that everybody has: what runs ends well, whatever stands still, the
gateway is gone within 30 s, and no row is lost where the database can be reached."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from momentry.supervisor.valkey import Valkey
from tests.gateway.conftest import Database, Start
from tests.gateway.engine import Engine, OwnDatabase, copied
from tests.gateway.processes import Gateway, request, rows_of
from tests.gateway.uploads import FRAMINGS, LARGE, Desk, Upload, upload
from tests.gateway.wire import Server, Wire, within

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

EXIT_SECONDS = 30.0
LIMITS = "UPDATE apikeys_tier SET requests_per_minute = 1000, concurrent_requests = 50"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"
EVENT = b"5\r\ntick\n\r\n"
EVENTS = 20


@dataclass
class Place:
    """A gateway on ``database``; requests that are under way when it is told to stop."""

    name: str
    database: Database
    gateway: Gateway
    secret: str
    halves: list[tuple[Upload, Wire]] = field(default_factory=list)
    late: list[Wire] = field(default_factory=list)
    stream: Wire | None = None
    silent: Wire | None = None
    ids: list[str] = field(default_factory=list)
    took: float = 0.0


@pytest.fixture
def desk(upstream: Server) -> Desk:
    def late(wire: Wire, head: bytes) -> None:
        wire.exactly(4)
        time.sleep(4)
        wire.send(OK)

    def events(wire: Wire, _head: bytes) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(EVENTS):
            wire.send(EVENT)
            time.sleep(0.3)
        wire.send(b"0\r\n\r\n")

    upstream.on("/stop-late", late)
    upstream.on("/stop-events", events)
    upstream.on("/stop-silent", lambda wire, _: wire.is_closed_within(60))
    return Desk(upstream)


@pytest.fixture
def places(
    engine: Engine,
    own: OwnDatabase,
    directory: Path,
    migrated_files: Path,
    upstream: Server,
    start: Start,
    valkey: Valkey,
) -> Iterator[dict[str, tuple[Place, Engine]]]:
    """PostgreSQL and Valkey stand still until the end; or PostgreSQL comes back meanwhile; or it is
    Valkey alone."""
    with ExitStack() as stack:
        found: dict[str, tuple[Place, Engine]] = {}
        for name in ("both", "a while", "valkey"):
            one = stack.enter_context(copied(directory, migrated_files)) if found else engine
            database = OwnDatabase(own.blocker, one.postgres.url) if found else own
            if found:
                database.upstream("echo", upstream.port)
            secret = database.key_for(f"stop-{len(found)}", "echo", monthly=10_000)
            database.execute(LIMITS)
            gateway = start(2, DATABASE_URL=database.url, REDIS_URL=valkey.url)
            found[name] = Place(name, database, gateway, secret), one
        for place, _ in found.values():
            place.gateway.wait_until_ready()
        yield found


def begin(place: Place, desk: Desk, upstream: Server) -> None:
    gateway, secret = place.gateway, place.secret
    for framing in FRAMINGS:
        at = desk.at(f"/stop-{framing}-{place.name.replace(' ', '-')}")
        made = upload(f"/proxy/echo{at}", secret, framing, LARGE)
        place.halves.append((made, gateway.connect().send(made.head + made.first)))
    call = request("POST", "/proxy/echo/stop-late", secret, body=b"said")
    place.late = [gateway.connect().send(call) for _ in range(4)]
    place.stream = gateway.connect().send(request("GET", "/proxy/echo/stop-events", secret))
    place.stream.until(EVENT)
    call = request("POST", "/proxy/echo/stop-silent", secret, body=b"said")
    before = len(upstream.heads_of("/stop-silent"))
    place.silent = gateway.connect().send(call)
    assert within(5, lambda: len(upstream.heads_of("/stop-silent")) > before)


def all_end_well(place: Place) -> None:
    for made, wire in place.halves:
        wire.send(made.rest)
    answers = [wire.answer() for wire in (*(wire for _, wire in place.halves), *place.late)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.field("connection") for answer in answers} == {"close"}
    assert place.stream is not None
    assert place.stream.raw_chunks().endswith(EVENT + b"0\r\n\r\n")
    place.ids = [answer.field("x-request-id") for answer in answers]


def cut_at_the_end(place: Place, began: float) -> None:
    assert place.silent is not None
    place.silent.socket.settimeout(EXIT_SECONDS)
    answer = place.silent.answer()
    assert answer.status == 503
    assert b'"overloaded"' in answer.body
    place.ids.append(answer.field("x-request-id"))
    assert place.gateway.stop() == 0
    place.took = time.monotonic() - began


def test_a_stop_waits_for_what_runs_and_for_nothing_else(
    places: dict[str, tuple[Place, Engine]], desk: Desk, valkey: Valkey, upstream: Server
) -> None:
    some = [place for place, _ in places.values()]
    for place in some:
        begin(place, desk, upstream)
    assert within(10, lambda: sum(desk.begun.values()) == len(some) * len(FRAMINGS))

    os.kill(valkey.child.pid, signal.SIGSTOP)
    for name in ("both", "a while"):
        places[name][1].freeze()
    try:
        began = time.monotonic()
        for place in some:
            place.gateway.process.send_signal(signal.SIGTERM)
        time.sleep(1.5)
        for place in some:
            all_end_well(place)
        places["a while"][1].thaw()
        for place in some:
            cut_at_the_end(place, began)
    finally:
        places["both"][1].thaw()
        os.kill(valkey.child.pid, signal.SIGCONT)

    assert all(place.took <= EXIT_SECONDS for place in some), [place.took for place in some]
    assert set(desk.whole.values()) == {1}
    assert not desk.cut
    for place in some:
        assert place.gateway.errors() == []
        lost = "rows were lost" in "".join(place.gateway.lines)
        assert lost == (place.name == "both")
        rows = rows_of(place.database.conninfo, "id = ANY(%s::uuid[])", place.ids)
        assert len(rows) == (0 if lost else len(place.ids))
