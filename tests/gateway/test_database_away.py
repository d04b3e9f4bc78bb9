"""DUR-04: PostgreSQL stopped, killed or standing still for 30 s under calls of every kind. What is
not safely known is 503, nobody gets in whom it keeps out, what runs goes on, and all of it works
within five seconds of the return, without a restart."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from apikeys.services.keys import revoke_key
from momentry.common.fence.wait import wait
from momentry.common.served import LIMIT_SECONDS
from tests.gateway.books import used
from tests.gateway.engine import Engine, OwnDatabase, children, copied
from tests.gateway.handshake import accepted, frame, opened
from tests.gateway.households import LIMIT, Household, calls_of, household, is_ready
from tests.gateway.outages import Calls, word_of
from tests.gateway.processes import Gateway, request
from tests.gateway.test_database_faults import OF_A_GATEWAY, OWN, PATIENCE, RECOVERY
from tests.gateway.test_revocation import row
from tests.gateway.wire import Server, Wire, within

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

PROCESSES = 2
DJANGOS = 10  # connections: DB_MAX_CONNECTIONS
OF_DJANGO = {"me", "change", "admin"}
DJANGOS_PATIENCE = 2.0 + LIMIT_SECONDS + 1.5  # DB_ACQUIRE_TIMEOUT_SECONDS, a statement, and some
LEASE = 1.0  # so long a process may rely on what it knows
AWAY = 30.0
EVENT = b"5\r\ntick\n\r\n"
PACE = 0.2  # seconds from one event to the next
PING = frame(b"still here")
REVOKED = frame(b"\x03\xf0key_revoked", opcode=8)
UNAVAILABLE = "503 database_unavailable"
# The usual answers; those of who is kept out are the only other ones that anybody may be told.
USUAL = {
    "get": {"200"},
    "post": {"200"},
    "quota": {"200", "429 quota_exceeded"},
    "late": {"200"},
    "tunnel": {"101"},
    "verify": {"200"},
    "verify revoked": {"200 key_revoked"},
    "verify unknown": {"200 invalid_key"},
    "me": {"200"},
    "change": {"200"},
    "admin": {"200"},
    "unknown": {"401 invalid_key"},
    "unknown me": {"401 invalid_key"},
    "unknown asks": {"401 invalid_key"},
    "revoked": {"401 key_revoked"},
    "revoked tunnel": {"401 key_revoked"},
    "revoked me": {"401 key_revoked"},
}


@dataclass
class Outage:
    """``returns``: when it was let go on; ``answered``: when the revocation of the late key was,
    the first thing after it was ``back``."""

    house: Household
    crowd: Calls
    streams: dict[str, Wire]
    rooms: dict[str, Wire]
    began: float = 0.0
    returns: float = 0.0
    back: float = 0.0
    answered: float = 0.0


@pytest.fixture
def ended() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def paths(upstream: Server, ended: threading.Event) -> tuple[str, str]:
    """Of a stream that goes on until the test has ``ended`` it, and of a WebSocket."""

    def tick(wire: Wire, _head: bytes) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not ended.wait(PACE):
            wire.send(EVENT)
        wire.send(b"0\r\n\r\n")

    def echo(wire: Wire, _head: bytes) -> None:
        wire.send(accepted())
        wire.socket.settimeout(2 * AWAY)
        while wire.more():
            wire.send(wire.take(len(wire.held)))

    upstream.on("/away-stream", tick)
    upstream.on("/away-room", echo)
    return "/away-stream", "/away-room"


@pytest.fixture
def houses(
    directory: Path, migrated_files: Path, django_db_blocker: DjangoDbBlocker, upstream: Server
) -> Iterator[list[Household]]:
    with ExitStack() as stack:
        found = []
        for name in ("frozen", "killed", "stopped"):
            engine = stack.enter_context(copied(directory, migrated_files))
            own = OwnDatabase(django_db_blocker, engine.postgres.url)
            own.upstream("echo", upstream.port)
            made = household(name, directory, engine, own, PROCESSES)
            found.append(stack.enter_context(made))
        assert all(is_ready(house) for house in found)
        yield found


def begin(name: str, engine: Engine) -> None:
    {"frozen": engine.freeze, "killed": engine.kill, "stopped": engine.stop}[name]()


def end(name: str, engine: Engine) -> None:
    (engine.thaw if name == "frozen" else engine.start)()


def begun(house: Household, stream: str, room: str) -> Outage:
    gateway, keys = house.gateway, house.keys
    calls = calls_of(keys, room)
    crowd = Calls(gateway, dict.fromkeys(calls, ""), pause=0.05, calls=calls)
    streams = {
        name: gateway.connect().send(request("GET", f"/proxy/echo{stream}", keys[name]))
        for name in ("free", "late")
    }
    assert all(wire.until(EVENT) for wire in streams.values())
    rooms = {name: opened(gateway, keys[name], room) for name in ("free", "late")}
    return Outage(house, crowd, streams, rooms)


def is_usual(crowd: Calls) -> bool:
    return all(crowd.words(name) & words for name, words in USUAL.items())


def goes_on(outage: Outage) -> None:
    """What was open before."""
    for wire in outage.streams.values():
        wire.more()
        assert wire.held.count(EVENT) > AWAY / PACE / 3
    for room in outage.rooms.values():
        assert room.send(PING).exactly(len(PING)) == PING


def come_back(outage: Outage) -> None:
    """With a change that no process has heard of, before most of them are back."""
    house = outage.house
    outage.returns = time.monotonic()
    end(house.name, house.engine)
    outage.back = time.monotonic()
    with house.own.rows():
        revoke_key(row(house.keys["late"]), actor="test")
        wait()
    outage.answered = time.monotonic()


def test_a_database_may_be_away_for_half_a_minute(
    houses: list[Household], paths: tuple[str, str], ended: threading.Event
) -> None:
    outages = [begun(house, *paths) for house in houses]
    processes = [house.processes() for house in houses]
    with ExitStack() as stack:
        for outage in outages:
            stack.enter_context(outage.crowd)
        assert within(20, lambda: all(is_usual(outage.crowd) for outage in outages))
        for outage in outages:
            outage.began = time.monotonic()
            begin(outage.house.name, outage.house.engine)
        time.sleep(LEASE + 0.1)
        for outage in outages:
            cold = outage.house.gateway.get("/proxy/echo/x", outage.house.keys["cold"])
            assert word_of(cold) == UNAVAILABLE
            assert cold.field("retry-after")
        time.sleep(max(0.0, outages[-1].began + AWAY - time.monotonic()))
        for outage in outages:
            goes_on(outage)
            come_back(outage)
        time.sleep(max(0.0, outages[-1].back + RECOVERY - time.monotonic()))
        assert within(20, lambda: all(is_asked_again(outage) for outage in outages))

    ended.set()  # else one that is not cut would be read for ever
    assert [house.processes() for house in houses] == processes
    for outage in outages:
        only_503_meanwhile(outage)
        all_is_well_again(outage)
        who_lost_the_right_is_cut(outage)
        assert outage.streams["free"].raw_chunks().endswith(EVENT + b"0\r\n\r\n")
        room = outage.rooms["free"]
        assert room.send(PING).exactly(len(PING)) == PING
        books_are_right(outage)
        assert outage.house.gateway.errors() == []


def is_asked_again(outage: Outage) -> bool:
    """By every kind of call, once all must work."""
    return all(outage.crowd.between(name, outage.back + RECOVERY) for name in USUAL)


def only_503_meanwhile(outage: Outage) -> None:
    crowd, known_until = outage.crowd, outage.began + LEASE + 0.1
    for name, words in USUAL.items():
        meanwhile = crowd.between(name, known_until, outage.returns)
        assert meanwhile, (outage.house.name, name)
        assert crowd.words(name, known_until, outage.returns) == {UNAVAILABLE}, name
        assert all(told.answer.field("retry-after") for told in meanwhile)
        late = {"401 key_revoked"} if name == "late" else set()
        assert crowd.words(name) <= words | late | {UNAVAILABLE}, (outage.house.name, name)
    for name in USUAL:
        patience = DJANGOS_PATIENCE if name in OF_DJANGO else PATIENCE
        assert crowd.longest(name) <= patience, (outage.house.name, name)
    connections = len(children(outage.house.engine.pid))
    assert connections <= OWN + PROCESSES * OF_A_GATEWAY + DJANGOS


def all_is_well_again(outage: Outage) -> None:
    for name, words in (USUAL | {"late": {"401 key_revoked"}}).items():
        after = outage.crowd.words(name, outage.back + RECOVERY)
        assert after <= words, (outage.house.name, name)
    assert all(told.status != 200 for told in outage.crowd.between("late", outage.answered))
    assert outage.house.gateway.get("/proxy/echo/x", outage.house.keys["cold"]).status == 200


def who_lost_the_right_is_cut(outage: Outage) -> None:
    stream, room = outage.streams["late"], outage.rooms["late"]
    assert stream.is_closed_within(0.5)
    assert b"0\r\n\r\n" not in stream.held
    assert room.rest() == REVOKED


def books_are_right(outage: Outage) -> None:
    gateway, key = outage.house.gateway, outage.house.keys["quota"]
    passed = outage.crowd.statuses("quota")[200] + finish(gateway, key)
    assert LIMIT // 2 < passed <= LIMIT
    assert passed <= used(outage.house.own, key) <= LIMIT


def finish(gateway: Gateway, key: str) -> int:
    """What is left of a quota, asked for until three answers were no."""
    found: list[int] = []
    while found[-3:] != [429] * 3:
        found.append(gateway.get("/proxy/echo/x", key).status)
        assert len(found) < 2 * LIMIT
    assert set(found) <= {200, 429}
    return found.count(200)
