"""PRX-17: a WebSocket is one call of every limit, and whoever goes frees what it took."""

import json
import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from websockets.exceptions import InvalidStatus

from apikeys.models import LimitOverride
from tests.gateway.books import books, used
from tests.gateway.conftest import Database
from tests.gateway.handshake import ASKED, CLOSE, accepted, ask, frame, opened
from tests.gateway.limited import limited, room, slots, subject_of
from tests.gateway.misbehaving import close, hang, reset, row_of, says
from tests.gateway.processes import Gateway, request
from tests.gateway.talks import goes_on, member_key, talk, talking
from tests.gateway.test_revocation import row
from tests.gateway.test_websocket import echo
from tests.gateway.wire import Cut, Script, Server, Wire, within

pytestmark = pytest.mark.slow

SLUG = "counting"


@pytest.fixture(scope="module")
def slug(database: Database) -> Iterator[str]:
    with talking(database, SLUG) as slug:
        yield slug


@pytest.fixture
def path(upstream: Server) -> str:
    made = f"/ws-{uuid.uuid4().hex[:8]}"
    upstream.on(made, echo)
    return made


@pytest.fixture
def redis() -> Iterator[Redis]:
    client = Redis.from_url(os.environ["REDIS_URL"])
    yield client
    client.close()


FULL: dict[str, tuple[dict[str, int], str, str]] = {
    "a minute": ({"requests_per_minute": 1}, "rate_limited", "minute"),
    "at a time": ({"concurrent_requests": 1}, "rate_limited", "concurrent"),
    "a month": ({"requests_per_month": 1}, "quota_exceeded", "monthly"),
    "in all": ({"requests_lifetime": 1}, "quota_exceeded", "lifetime"),
}


@pytest.mark.parametrize("name", FULL)
def test_a_handshake_beyond_a_limit_is_429_and_costs_nothing(
    gateway: Gateway, database: Database, slug: str, name: str
) -> None:
    limits, code, policy = FULL[name]
    room(3)
    secret = member_key(database, slug, **limits)
    with talk(gateway, secret, slug) as first:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused, talk(gateway, secret, slug):
                pass

            answer = refused.value.response
            told = json.loads(answer.body)
            assert (answer.status_code, told["code"]) == (429, code)
            assert told["violated-policies"] == [policy]
            assert told["request_id"] == answer.headers["X-Request-ID"]
            assert ("Retry-After" in answer.headers) is (policy != "lifetime")
            logged = row_of(database, told["request_id"])
            assert (logged["status"], logged["code"]) == (429, code)
        assert goes_on(first)
    assert used(database, secret) == (1 if code == "quota_exceeded" else 0)


def test_a_limit_that_is_lowered_beneath_those_that_run_lets_no_other_in(
    gateway: Gateway, database: Database, slug: str
) -> None:
    secret = member_key(database, slug, concurrent_requests=3)
    with talk(gateway, secret, slug) as one, talk(gateway, secret, slug) as two:
        with database.rows():
            member = row(secret).owner
            LimitOverride.objects.create(member=member, name="concurrent_requests", value=1)
        database.settle()

        with pytest.raises(InvalidStatus) as refused, talk(gateway, secret, slug):
            pass

        assert refused.value.response.status_code == 429
        assert goes_on(one)
        assert goes_on(two)


def speak(wire: Wire) -> None:
    """Many frames each way: they are none of them a call."""
    data = frame(b"word", mask=b"abcd") * 50
    assert wire.send(data).exactly(len(data)) == data
    assert wire.send(CLOSE).rest() == CLOSE


NO = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno"
COSTS: dict[str, tuple[str, Script, int, int]] = {
    "spoken through": ("echo", echo, 101, 1),
    "not accepted": ("echo", says(NO, close), 426, 1),
    "accepted wrongly": ("echo", says(accepted("other"), close), 502, 1),
    "closed upon": ("echo", says(b"", close), 502, 1),
    "kept waiting": ("quick", says(b"", hang), 504, 1),
    "to nowhere": ("dead", echo, 502, 0),
    "switched off": ("off", echo, 503, 0),
    "not granted": ("brief", echo, 403, 0),
}


def test_a_handshake_costs_one_unit_once_it_was_sent(
    gateway: Gateway, database: Database, upstream: Server, path: str
) -> None:
    wanted = 0
    secret = limited(database, requests_per_month=1000)
    for name, (slug, script, status, units) in COSTS.items():
        upstream.on(path, script)
        wire = gateway.connect().send(request("GET", f"/proxy/{slug}{path}", secret, *ASKED))
        assert wire.head().status == status, name
        if status == 101:
            speak(wire)
        wire.close()
        wanted += units

        counted = books(database, subject_of(database, secret))
        assert counted.get("requests per month", 0) == wanted, name


def vanish(wire: Wire) -> None:
    """As a machine that is told that nobody knows this connection."""
    with pytest.raises(Cut):
        reset(wire)
    wire.close()


@pytest.mark.parametrize("said", [b"", frame(b"whole"), frame(b"y" * 100)[:50]])
def test_a_reset_of_the_client_frees_upstream_and_slot_within_a_second(
    gateway: Gateway, database: Database, upstream: Server, redis: Redis, path: str, said: bytes
) -> None:
    secret = limited(database, concurrent_requests=1)
    subject, before = subject_of(database, secret), upstream.open
    wire = opened(gateway, secret, path)
    if said:
        wire.send(said).exactly(len(said))
    assert (slots(redis, subject), upstream.open) == (1, before + 1)

    vanish(wire)

    assert within(1, lambda: slots(redis, subject) == 0)
    assert within(1, lambda: upstream.open == before)
    with_word = opened(gateway, secret, path)
    assert with_word.send(CLOSE).rest() == CLOSE


@pytest.mark.parametrize("end", [close, reset])
@pytest.mark.parametrize("said", [b"", frame(b"whole"), frame(b"y" * 100)[:50]])
def test_an_upstream_that_goes_frees_client_and_slot_within_a_second(
    gateway: Gateway,
    database: Database,
    upstream: Server,
    redis: Redis,
    path: str,
    said: bytes,
    end: Callable[[Wire], None],
) -> None:
    secret = limited(database, concurrent_requests=1)
    subject = subject_of(database, secret)
    upstream.on(path, says(accepted() + said, end))
    wire = ask(gateway, secret, path)
    head = wire.head()
    assert head.status == 101

    assert wire.exactly(len(said)) == said  # what it said before has arrived
    assert wire.is_closed_within(1)
    assert within(1, lambda: slots(redis, subject) == 0)
    assert row_of(database, head.field("x-request-id"))["status"] == 101
    upstream.on(path, echo)
    assert opened(gateway, secret, path).send(CLOSE).rest() == CLOSE
