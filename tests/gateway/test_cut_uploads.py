"""SMG-03: a body that is cut short, however it ends, never reaches anybody as a whole one."""

import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests import make
from tests.gateway.books import used
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway
from tests.gateway.test_client_leaves import leave
from tests.gateway.uploads import FRAMINGS, LARGE, SMALL, Desk, Upload, digest, upload
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

VERIFY = "/api/v1/keys/verify"
JSON = "Content-Type: application/json"
WAITS = "Expect: 100-continue"
MALFORMED = b"zz\r\n"
IDLE_SECONDS = 30.0
# Where a body goes: the path, and its size. What Django gets of a small one is nothing at all.
TO = {
    "upstream small": ("/proxy/echo/cut-s", SMALL),
    "upstream large": ("/proxy/echo/cut-l", LARGE),
    "django small": ("/api/v1/cut-s", SMALL),
    "django large": ("/api/v1/cut-l", LARGE),
}
GATHERED = "django small"


def fin(wire: Wire) -> int:
    wire.end()
    return wire.answer().status


def rst(wire: Wire) -> int:
    leave(wire, "RST")
    return 0


def say_nothing(wire: Wire) -> int:
    wire.socket.settimeout(IDLE_SECONDS + 15)
    return wire.answer().status


def say_nonsense(wire: Wire) -> int:
    return wire.send(MALFORMED).answer().status


End = Callable[[Wire], int]
ENDS: dict[str, tuple[End, int]] = {
    "FIN": (fin, 400),
    "RST": (rst, 0),
    "malformed": (say_nonsense, 400),
    "silent": (say_nothing, 408),
}


@pytest.fixture
def desk(upstream: Server, django: Server) -> Desk:
    return Desk(upstream, django)


@pytest.fixture
def alone(start: Start, seeded: str) -> Iterator[Gateway]:
    """One process, which remembers every head that came to it."""
    gateway = start().wait_until_ready()
    yield gateway
    assert gateway.errors() == []


def half_sent(gateway: Gateway, made: Upload) -> Wire:
    wire = gateway.connect()
    if WAITS.encode() in made.head:
        assert wire.send(made.head).head().status == 100
        return wire.send(made.first)
    return wire.send(made.head + made.first)


def uploads(desk: Desk, key: str, tag: str) -> dict[str, Upload]:
    """Of every kind, by the path that it is known by at the desk."""
    found = {}
    for where, (path, size) in TO.items():
        for framing in FRAMINGS:
            for expects in ([], [WAITS]):
                name = f"{path}-{tag}-{framing}-{len(expects)}"
                at = desk.at(name.removeprefix("/proxy/echo"))
                secret = key if "upstream" in where else ""
                found[at] = upload(name, secret, framing, size, *expects)
    return found


def test_what_is_cut_short_is_nowhere_whole(
    alone: Gateway, key: str, desk: Desk, django: Server
) -> None:
    """The silent ones wait while the others end. Each head comes whole at first, so often that the
    gateway knows it."""
    made = {end: uploads(desk, key, end) for end in ("silent", "FIN", "RST", "malformed")}
    del_sized(made["malformed"])
    waiting: list[tuple[str, str, Wire]] = []
    for end, some in made.items():
        for at, one in some.items():
            for _ in range(3 if WAITS.encode() not in one.head else 0):
                answer = alone.ask(one.head + one.first + one.rest)
                assert (answer.status, answer.body) == (200, digest(one))
            waiting.append((end, at, half_sent(alone, one)))
    whole = desk.whole.copy()
    assert sum(whole.values()) == 3 * sum(
        WAITS.encode() not in one.head for some in made.values() for one in some.values()
    )

    for end, at, wire in sorted(waiting, key=lambda each: each[0] == "silent"):
        finish, status = ENDS[end]
        assert finish(wire) == status, (end, at)

    reached = {at for _, at, _ in waiting if not at.startswith("/api/v1/cut-s")}
    assert within(5, lambda: desk.cut.keys() == reached), reached - desk.cut.keys()
    assert set(desk.cut.values()) == {1}
    assert desk.whole == whole
    for at in whole.keys() - reached:
        assert desk.begun[at] == whole[at]


def del_sized(some: dict[str, Upload]) -> None:
    """What is not framed by itself cannot be malformed."""
    for at in [at for at in some if "-sized-" in at]:
        del some[at]


def test_a_killed_gateway_completes_nothing(
    alone: Gateway, key: str, desk: Desk, upstream: Server
) -> None:
    made = uploads(desk, key, "killed")
    wires = [half_sent(alone, one) for one in made.values()]
    reached = {at for at in made if not at.startswith("/api/v1/cut-s")}
    assert within(5, lambda: desk.begun.keys() == reached)
    (child,) = alone.children()

    os.kill(child, signal.SIGKILL)

    assert all(wire.is_closed_within(5) for wire in wires)
    assert within(5, lambda: desk.cut.keys() == reached)
    assert not desk.whole
    assert within(10, lambda: alone.children() != [child])
    one = next(iter(made.values()))
    assert alone.ask(one.head + one.first + one.rest).status == 200


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_question_that_is_cut_short_is_not_answered_and_costs_nobody(
    alone: Gateway, database: Database, framing: str
) -> None:
    """All of the text is there but the end of its framing."""
    with database.rows():
        validator = make.service_key("validator").secret
    asked = database.key_for(f"asked-{framing}", "echo", monthly=10)
    text = json.dumps({"key": asked}).encode() + b" "
    made = upload(VERIFY, validator, framing, len(text), JSON, body=text)

    for end in ("FIN", "RST", *(["malformed"] if framing == "chunked" else [])):
        finish, status = ENDS[end]
        assert finish(half_sent(alone, made)) == status

    assert used(database, asked) == 0
    assert alone.ask(made.head + made.first + made.rest).status == 200
    assert used(database, asked) == 1
