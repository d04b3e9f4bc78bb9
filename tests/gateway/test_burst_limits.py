"""QTA-11: windows and concurrency hold across processes, and slots are free after any ending."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from tests.gateway.books import books
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import Slow, limited, room, slots, subject_of
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, within

CLIENTS = 64


@pytest.fixture
def redis() -> Iterator[Redis]:
    client = Redis.from_url(os.environ["REDIS_URL"])
    yield client
    client.close()


def statuses(gateway: Gateway, secret: str, path: str, clients: int, each: int) -> Counter[int]:
    call = request("GET", path, secret)

    def ask(_: int) -> list[int]:
        wire = gateway.connect()
        return [wire.send(call).answer().status for _ in range(each)]

    with ThreadPoolExecutor(clients) as threads:
        return Counter(status for some in threads.map(ask, range(clients)) for status in some)


@pytest.mark.slow
def test_four_processes_admit_exactly_the_limit_of_a_minute(
    start: Start, seeded: str, database: Database
) -> None:
    gateway = start(4).wait_until_ready()
    secret = limited(database, requests_per_minute=50, requests_per_month=1000)
    room(15)

    found = statuses(gateway, secret, "/proxy/echo/", CLIENTS, 3)

    assert found == {200: 50, 429: CLIENTS * 3 - 50}
    subject = subject_of(database, secret)
    assert books(database, subject) == {"requests per month": 50}  # who was refused paid nothing


@pytest.mark.slow
def test_four_processes_share_a_large_limit_on_lease_and_lose_none_of_it(
    start: Start, seeded: str, database: Database
) -> None:
    gateway = start(4).wait_until_ready()
    secret = limited(database, requests_per_minute=1000)
    room(20)

    found = statuses(gateway, secret, "/proxy/echo/", CLIENTS, 20)
    kept = 1000 - found[200]
    for _ in range(3):
        time.sleep(2.2)  # what lies still is given back
        found += statuses(gateway, secret, "/proxy/echo/", 8, 20)

    assert 0 <= kept <= 4 * (1000 // 32)
    assert (found[200], set(found)) == (1000, {200, 429})


@pytest.mark.slow
def test_never_more_run_at_once_than_may_and_all_slots_are_free_afterwards(
    start: Start, seeded: str, database: Database, upstream: Server, redis: Redis
) -> None:
    gateway = start(4).wait_until_ready()
    secret = limited(database, concurrent_requests=5)
    slow = Slow(upstream)

    found = statuses(gateway, secret, f"/proxy/echo{slow.path}", 24, 6)

    assert (slow.peak, set(found)) == (5, {200, 429})
    assert found[200] == slow.served
    free = within(1, lambda: slots(redis, subject_of(database, secret)) == 0)
    assert free, "".join(gateway.lines)


@pytest.mark.slow
def test_slots_that_busy_processes_keep_let_nobody_past_a_large_limit(
    start: Start, seeded: str, database: Database, upstream: Server, redis: Redis
) -> None:
    gateway = start(2).wait_until_ready()
    secret = limited(database, concurrent_requests=100)
    slow = Slow(upstream, 0.25)  # so long that all are there at once
    for _ in range(3):  # longer than a new limit takes to settle
        statuses(gateway, secret, "/proxy/echo/", 16, 60)

    found = statuses(gateway, secret, f"/proxy/echo{slow.path}", 150, 10)

    assert 100 - 2 * (100 // 16) <= slow.peak <= 100
    assert (found[200], set(found)) == (slow.served, {200, 429})
    assert within(4, lambda: slots(redis, subject_of(database, secret)) == 0)


def test_one_after_the_other_never_meets_their_own_slot(
    gateway: Gateway, database: Database
) -> None:
    secret = limited(database, concurrent_requests=1)
    wire, call = gateway.connect(), request("GET", "/proxy/echo/x", secret)

    assert {wire.send(call).answer().status for _ in range(150)} == {200}


@pytest.mark.slow
def test_a_killed_process_frees_its_slots_within_their_lease(
    start: Start, seeded: str, database: Database, upstream: Server, redis: Redis
) -> None:
    gateway = start(1).wait_until_ready()
    secret = limited(database, concurrent_requests=2)
    subject, slow = subject_of(database, secret), Slow(upstream, 20)
    for _ in range(2):
        gateway.connect().send(request("GET", f"/proxy/echo{slow.path}", secret))
    assert within(2, lambda: slots(redis, subject) == 2)
    time.sleep(5.5)  # longer than a slot lasts that nobody renews
    assert gateway.get("/proxy/echo/x", secret).status == 429

    os.kill(gateway.children()[0], signal.SIGKILL)

    def admitted() -> bool:
        try:
            return gateway.get("/proxy/echo/x", secret).status == 200
        except (OSError, IndexError):
            return False

    began = time.monotonic()
    assert within(8, admitted)
    assert time.monotonic() - began < 7


def leave(gateway: Gateway, secret: str, slow: Slow) -> None:
    wire = gateway.connect().send(request("GET", f"/proxy/echo{slow.path}", secret))
    assert within(2, lambda: slow.served > 0)
    wire.close()


ENDINGS: dict[str, Callable[[Gateway, str, Slow], None]] = {
    "answered": lambda gateway, secret, _: expect(gateway, secret, "/proxy/echo/x", 200),
    "client left": leave,
    "upstream dead": lambda gateway, secret, _: expect(gateway, secret, "/proxy/dead/x", 502),
    "upstream off": lambda gateway, secret, _: expect(gateway, secret, "/proxy/off/x", 503),
    "timeout": lambda gateway, secret, slow: expect(
        gateway, secret, f"/proxy/quick{slow.path}", 504
    ),
}


def expect(gateway: Gateway, secret: str, path: str, status: int) -> None:
    assert gateway.get(path, secret).status == status


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_slot_is_free_however_its_request_ended(
    gateway: Gateway, database: Database, upstream: Server, redis: Redis, ending: str
) -> None:
    secret = limited(database, concurrent_requests=1)
    subject = subject_of(database, secret)

    ENDINGS[ending](gateway, secret, Slow(upstream, 1.5))

    assert within(1, lambda: slots(redis, subject) == 0)
    assert gateway.get("/proxy/echo/x", secret).status == 200


def remaining(gateway: Gateway, secret: str) -> dict[str, int]:
    """By a look that takes nothing of quotas, and one unit of the windows."""
    answer = gateway.get("/proxy/echo/x", secret)
    items = [item.split(";") for item in answer.field("ratelimit").split(", ")]
    return {item[0].strip('"'): int(item[1].removeprefix("r=")) for item in items}


@pytest.mark.parametrize("path", ["/proxy/dead/x", "/proxy/off/x"])
def test_what_never_reached_an_upstream_costs_nothing(
    gateway: Gateway, database: Database, path: str
) -> None:
    room(5)
    secret = limited(database, requests_per_minute=100, requests_per_month=100)

    assert gateway.get(path, secret).status in {502, 503}

    def is_settled() -> bool:  # what the other process spent shows after a third of a second
        time.sleep(0.4)
        left = remaining(gateway, secret)
        return left["minute"] == left["monthly"] >= 95

    assert within(2, is_settled)


def test_a_refusal_by_quota_takes_nothing_of_the_minute(
    gateway: Gateway, database: Database
) -> None:
    room(5)
    secret = limited(database, requests_per_minute=100, requests_lifetime=2)
    answers = [gateway.get("/proxy/echo/x", secret) for _ in range(6)]

    last = answers[-1]

    assert [answer.status for answer in answers] == [200] * 2 + [429] * 4
    assert last.field("ratelimit").startswith('"minute";r=98;t=')
    assert last.field("ratelimit").endswith('"lifetime";r=0')
    assert (last.field("retry-after"), last.field("x-should-retry")) == ("", "false")


def test_a_burst_is_refused_with_when_to_come_again(gateway: Gateway, database: Database) -> None:
    room(5)
    secret = limited(database, requests_per_minute=1, concurrent_requests=9, requests_per_day=9)
    gateway.get("/proxy/echo/x", secret)

    answer = gateway.get("/proxy/echo/x", secret)

    body = json.loads(answer.body)
    assert (answer.status, body["code"]) == (429, "rate_limited")
    assert body["violated-policies"] == ["minute"]
    assert body["error"]["type"] == "rate_limit_exceeded"
    assert 1 <= int(answer.field("retry-after")) <= 60
    assert answer.field("x-should-retry") == "false"
    assert answer.field("x-ratelimit-reset") == answer.field("retry-after")


def test_a_call_costs_the_weight_of_its_upstream(
    start: Start, seeded: str, database: Database
) -> None:
    room(8)
    secret = limited(database, requests_per_minute=100, requests_per_month=100)
    database.change("UPDATE proxy_upstream SET request_weight = 7 WHERE slug = 'quick'")
    database.change("UPDATE proxy_upstream SET request_weight = 0 WHERE slug = 'small'")
    try:
        gateway = start().wait_until_ready()
        for slug in ("quick", "small"):
            assert gateway.get(f"/proxy/{slug}/x", secret).status == 200

        left = remaining(gateway, secret)
    finally:
        database.change("UPDATE proxy_upstream SET request_weight = 1")

    assert left == {"minute": 97, "monthly": 92}
