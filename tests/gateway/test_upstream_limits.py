"""How many connections, waiting requests and second tries one upstream gets of a process."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from proxy.gateway.pool import MAX_CONNECTIONS, MAX_PENDING
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import OK, Gate, close, outcome, says, sockets_to
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

EMPTY = OK + b"Content-Length: 0\r\n\r\n"
PATIENCE = 1.5  # its connect time-out, in seconds


class Stage(NamedTuple):
    gateway: Gateway
    upstream: Server
    key: str
    pid: int

    def call(self, path: str, method: str = "GET") -> Wire:
        return self.gateway.connect().send(request(method, f"/proxy/narrow{path}", self.key))

    def figure(self, name: str, secret: str) -> float:
        text = self.gateway.get("/metrics", secret).body.decode()
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(line.split()[1])


@pytest.fixture
def stage(start: Start, database: Database, key: str, upstream: Server) -> Iterator[Stage]:
    """One process, and an upstream that waits so long for a connection, and half a minute else."""
    with database.rows():
        made = make.upstream(
            "narrow",
            f"http://127.0.0.1:{upstream.port}",
            connect_timeout_ms=int(PATIENCE * 1000),
            first_byte_timeout_ms=30_000,
        )
    secret = database.key_for(f"narrow-{made.id.hex[-8:]}", "narrow")
    gateway = start().wait_until_ready()
    yield Stage(gateway, upstream, secret, gateway.children()[0])
    gateway.close_wires()
    with database.rows():
        made.delete()


def test_beyond_256_connections_requests_wait_and_beyond_1024_they_are_refused(
    stage: Stage,
) -> None:
    gate = Gate(says(EMPTY))
    stage.upstream.on("/gate", gate)
    first = [stage.call("/gate") for _ in range(MAX_CONNECTIONS)]
    assert within(5, lambda: gate.came == MAX_CONNECTIONS)
    waiting = [stage.call("/gate") for _ in range(MAX_PENDING)]
    began = time.monotonic()
    over = [outcome(stage.call("/gate")) for _ in range(5)]
    refused_after = time.monotonic() - began

    gate.opened.set()
    answers = Counter(outcome(wire).status for wire in (*first, *waiting))

    assert {(got.status, got.code) for got in over} == {(503, "upstream_busy")}
    assert refused_after < PATIENCE / 2
    assert answers == {200: MAX_CONNECTIONS + MAX_PENDING}
    assert sockets_to(stage.pid, stage.upstream.port) <= MAX_CONNECTIONS


def test_who_waits_too_long_for_a_connection_is_refused_in_time(stage: Stage) -> None:
    gate = Gate(says(EMPTY))
    stage.upstream.on("/full", gate)
    running = [stage.call("/full") for _ in range(MAX_CONNECTIONS)]
    assert within(5, lambda: gate.came == MAX_CONNECTIONS)

    began = time.monotonic()
    got = outcome(stage.call("/full"))
    seconds = time.monotonic() - began
    gate.opened.set()

    assert (got.status, got.code) == (503, "upstream_busy")
    assert PATIENCE <= seconds <= PATIENCE + 0.5
    assert Counter(outcome(wire).status for wire in running) == {200: MAX_CONNECTIONS}


def test_who_leaves_the_queue_makes_room_in_it(stage: Stage) -> None:
    gate = Gate(says(EMPTY))
    stage.upstream.on("/queue", gate)
    running = [stage.call("/queue") for _ in range(MAX_CONNECTIONS)]
    assert within(5, lambda: gate.came == MAX_CONNECTIONS)
    waiting = [stage.call("/queue") for _ in range(MAX_PENDING)]
    assert outcome(stage.call("/queue")).code == "upstream_busy"
    for wire in waiting:
        wire.close()
    time.sleep(0.8)  # a client that ended its side is given half a second

    later = [stage.call("/queue") for _ in range(50)]
    time.sleep(0.1)
    gate.opened.set()

    assert Counter(outcome(wire).status for wire in (*running, *later)) == {200: 306}
    assert gate.came == 306  # nothing was sent for those who had left


def test_a_dying_upstream_is_asked_a_fifth_more_at_most(stage: Stage, database: Database) -> None:
    """Forty kept connections die of forty requests: eight of these may be sent once more."""
    with database.rows():
        reader = make.service_key("metrics").secret
    warm, dying, second = Gate(says(EMPTY)), Gate(says(b"", close)), Gate(says(EMPTY))
    kept: list[Wire] = []

    def warm_up(wire: Wire, head: bytes) -> None:
        kept.append(wire)
        warm(wire, head)

    stage.upstream.on("/warm", warm_up)
    stage.upstream.on("/dying", lambda wire, head: (dying if wire in kept else second)(wire, head))
    first = [stage.call("/warm") for _ in range(40)]
    assert within(5, lambda: warm.came == 40)
    warm.opened.set()
    assert {outcome(wire).status for wire in first} == {200}

    calls = [stage.call("/dying") for _ in range(40)]
    assert within(5, lambda: dying.came == 40)
    dying.opened.set()
    time.sleep(0.5)
    second.opened.set()
    found = Counter(outcome(wire).status for wire in calls)

    assert 3 <= second.came <= 8  # less, where it died while others had died already
    assert found == {200: second.came, 502: 40 - second.came}
    assert stage.figure("momentry_gateway_upstream_retries_total", reader) == second.came
    refused = stage.figure("momentry_gateway_upstream_retries_refused_total", reader)
    assert refused == 40 - second.came
