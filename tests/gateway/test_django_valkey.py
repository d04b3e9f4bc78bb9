"""DUR-05 at Django's own door: a Valkey that answers nonsense, or is a replica now, counts as one
that is away. No 5xx, nobody waits for it, wrong keys stay out, limits are exact afterwards."""

import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from apikeys import keyformat
from apikeys.digest import read_peppers
from apikeys.gate.lockout import Rules
from apikeys.gate.windows import places_of
from apikeys.services import guard, valkey
from apikeys.services.entrance import Entrance, get_entrance
from apikeys.services.guard import Guard
from apikeys.services.valkey import Valkey, connect
from tests import make
from tests.apikeys.calls import client
from tests.apikeys.test_windows import ask, left, subject
from tests.gateway import babble
from tests.gateway.babble import Babble
from tests.gateway.limited import room
from tests.gateway.test_valkey_faults import Server
from tests.gateway.test_valkey_nonsense import FAULTS
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

ME = "/api/v1/me"
AWAY = 0.05  # seconds, so that a fault meets many questions
BAD_SECONDS = 0.7
SLOWEST = 1.5  # of any answer


def for_ever(near: socket.socket, _: bytes) -> None:
    """Byte after byte of a reply, each soon enough."""
    near.sendall(b"$1000000\r\n")
    while True:
        near.sendall(b"x")
        time.sleep(0.05)


WORDS = {
    "a text": b"+OK\r\n",
    "nothing": b"$-1\r\n",
    "no list": b"*-1\r\n",
    "one too many": b"*4\r\n:0\r\n:1\r\n:0\r\n:1\r\n",
    "no numbers": b"*3\r\n+a\r\n+b\r\n+c\r\n",
    "no place": b"*1\r\n:7\r\n",
    "more than 64 bits": b":" + b"9" * 400 + b"\r\n",
    "more than 64 bits each": b"*2\r\n:1\r\n:" + b"9" * 400 + b"\r\n",
    "lists of lists": b"*1\r\n" * 5_000,
    "a list without an end": b"*4294967295\r\n",
    "an error in no language": b"-\xff\xfe\r\n",
    "a refusal": b"-NOPERM this user may not\r\n",
}


@pytest.fixture
def places(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[list[Server]]:
    made = [Server(directory / tmp_path_factory.mktemp("d").name) for _ in range(2)]
    yield made
    for server in made:
        server.redis.close()
        server.kill()


@pytest.fixture
def between(places, monkeypatch) -> Iterator[Babble]:
    monkeypatch.setattr(valkey, "AWAY_SECONDS", AWAY)
    made = Babble(places[0].valkey.socket)
    yield made
    made.stop()


@pytest.fixture
def door(between, settings) -> Iterator[None]:
    """Django asks over there, as a process does that has just begun."""
    settings.REDIS_URL = between.url
    kept = valkey.get_valkey, get_entrance, guard.guard_of
    for each in kept:
        each.cache_clear()
    yield
    valkey.get_valkey().redis.close()
    for each in kept:
        each.cache_clear()


@pytest.fixture
def own(between) -> Iterator[Valkey]:
    made = Valkey(connect(between.url))
    yield made
    made.redis.close()


def limited(**limits: int) -> APIClient:
    name = f"d{uuid.uuid4().hex[:8]}"
    return client(make.key(make.member(name, tier=make.tier(f"t-{name}", **limits).slug)).secret)


def unknown() -> APIClient:
    return client(
        keyformat.mint("muser", uuid.uuid4(), owner="x", pepper=read_peppers().signing, at=1)
    )


def counted(server: Server) -> list[int]:
    return [int(server.redis.get(key)) for key in server.redis.keys("momentry:window:*")]


def is_exact(server: Server) -> bool:
    room(5)
    server.flush()
    again = limited(requests_per_minute=7)
    found = Counter(again.get(ME).status_code for _ in range(10))
    return found == {200: 7, 429: 3} and counted(server) == [7]


@pytest.mark.django_db
def test_what_valkey_says_wrongly_nobody_is_told(door, places, between):
    callers = {
        "few": limited(requests_per_minute=40),
        "many": limited(requests_per_minute=100_000, concurrent_requests=50),
        "quota": limited(requests_per_month=100_000),
        "unknown": unknown(),
    }
    words = {name: babble.always(word) for name, word in WORDS.items()}
    for fault, say in {**FAULTS, **words, "for ever": for_ever}.items():
        assert callers["many"].get(ME).status_code == 200, fault
        seen = {name: Counter() for name in callers}
        slowest, end = 0.0, time.monotonic() + BAD_SECONDS
        between.say = say
        while time.monotonic() < end:
            for name, caller in callers.items():
                began = time.monotonic()
                address = "192.0.2.7" if name == "unknown" else "192.0.2.8"
                seen[name][caller.get(ME, REMOTE_ADDR=address).status_code] += 1
                slowest = max(slowest, time.monotonic() - began)
        between.say = babble.truly

        assert seen["few"].keys() <= {200, 429}, fault
        assert seen["many"].keys() == seen["quota"].keys() == {200}, fault
        assert seen["unknown"].keys() <= {401, 429}, fault
        assert slowest <= SLOWEST, fault
        assert within(2, lambda: is_exact(places[0])), fault


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_any_question_may_be_answered_by_nonsense(own, between, monkeypatch, word):
    """It is then counted here alone, and the connection is left for another."""
    monkeypatch.setattr(valkey, "AWAY_SECONDS", 0.0)
    door, limits = Entrance(own), [(subject(), "minute", 3), (subject(), "concurrent", 9)]
    lock = Guard(own, Rules(2, 900), b"p" * 32)
    entry = door.enter(ask(*limits)).entry
    between.say = babble.always(word)

    alone = [left(door.enter(ask(*limits)))["minute"] for _ in range(2)]
    failures = [lock.count_failure("192.0.2.1") for _ in range(2)]
    may = [lock.may_look_up(address, "a").locked for address in ("192.0.2.1", "192.0.2.2")]
    for tokens in door.local.held.values():
        for token in tokens:
            tokens[token] -= 2  # it has been running for a while
    door.renew()
    door.leave(entry, back=True)
    between.say = babble.truly

    assert (alone, failures) == ([1, 0], [0.0, 0.0])
    assert (may[0] > 890, may[1]) == (True, 0)
    assert own.redis.ping()
    door.local.held.clear()


def test_a_reply_too_many_is_nobody_elses_answer(own, between, places):
    """Else each would be told what the one before had asked."""
    between.say = babble.one_more
    door, minute, other = Entrance(own), (subject(), "minute", 9), (subject(), "minute", 9)

    for _ in range(3):
        door.enter(ask(minute))
    between.say = babble.truly
    own.away_until = 0.0

    assert left(door.enter(ask(other))) == {"minute": 8}
    assert counted(places[0]).count(1) >= 1


def test_threads_may_meet_it_at_once(own, between):
    door, effect = Entrance(own), ask((subject(), "minute", 1_000_000))

    def enter_some(_: int) -> int:
        end, entered = time.monotonic() + 3 * BAD_SECONDS, 0
        while time.monotonic() < end:
            assert door.enter(effect).entry is not None
            entered += 1
        return entered

    with ThreadPoolExecutor(8) as threads:
        work = [threads.submit(enter_some, number) for number in range(8)]
        for say in (babble.one_more, babble.always(b"+OK\r\n"), babble.late):
            time.sleep(BAD_SECONDS / 3)
            between.say = say
            time.sleep(BAD_SECONDS / 3)
            between.say = babble.truly
        entered = sum(each.result() for each in work)

    assert door.local.counts[places_of(effect)[0].key] == entered
    time.sleep(AWAY)
    assert left(door.enter(ask((subject(), "minute", 9)))) == {"minute": 8}


@pytest.mark.django_db
def test_a_valkey_that_is_a_replica_now_is_left_for_the_one_that_took_over(door, places, between):
    """As where a name or an address moves to the new one: the old connections stand."""
    old, new = places
    caller = limited(requests_per_minute=49)
    assert caller.get(ME).status_code == 200
    old.redis.replicaof("127.0.0.1", "1")
    between.place = new.valkey.socket

    def counts() -> bool:
        assert caller.get(ME).status_code == 200
        return bool(new.redis.keys("momentry:window:*"))

    assert within(2, counts)
    assert within(2, lambda: is_exact(new))
