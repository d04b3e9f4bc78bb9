"""QTA-08: what came to nothing costs nothing, all else its weight: exactly, on any process."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.gateway.books import books
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import limited, subject_of
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut, Script, Server, Wire

pytestmark = pytest.mark.slow
PROCESSES, CLIENTS, EACH = 4, 16, 4
CALLS = CLIENTS * EACH
WEIGHT = 3  # of calls to the upstreams ``quick`` and ``dead``


class Case(NamedTuple):
    """``units``: what one call costs."""

    path: str
    status: int
    units: int
    fields: tuple[str, ...] = ()
    body: bytes = b""


CASES = {
    "answered": Case("/proxy/echo/x", 200, 1),
    "answered, of weight 3": Case("/proxy/quick/x", 200, WEIGHT),
    "the upstream says 500": Case("/proxy/echo/fails", 500, 1),
    "the upstream says 429": Case("/proxy/echo/refuses", 429, 1),
    "the upstream closes": Case("/proxy/echo/closes", 502, 1),
    "the upstream is late": Case("/proxy/quick/late", 504, WEIGHT),
    "the body grows too long": Case(
        "/proxy/small/x", 413, 1, ("Transfer-Encoding: chunked",), b"14\r\n" + b"x" * 20 + b"\r\n"
    ),
    "no upstream": Case("/proxy/dead/x", 502, 0),
    "switched off": Case("/proxy/off/x", 503, 0),
    "not granted": Case("/proxy/other/x", 403, 0),
    "the body is too long": Case("/proxy/small/x", 413, 0, ("Content-Length: 20",), b"x" * 20),
    "a path that is refused": Case("/proxy/echo/..", 400, 0),
    "Django refuses, uncharged": Case("/api/v1/forbidden", 403, 0),
    "Django refuses, charged": Case("/api/v1/charged", 403, 1),
    "Django answers": Case("/api/v1/x", 200, 1),
    "reading oneself": Case("/api/v1/me", 200, 0),
}


@pytest.fixture
def gateway(
    start: Start, seeded: str, database: Database, upstream: Server, django: Server
) -> Iterator[Gateway]:
    upstream.on("/fails", says(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"))
    upstream.on("/refuses", says(b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"))
    upstream.on("/closes", close)
    upstream.on("/late", lambda _wire, _head: None)
    free = b"HTTP/1.1 403 No\r\nX-Momentry-Charge: 0\r\nContent-Length: 0\r\n\r\n"
    django.on("/api/v1/forbidden", says(free))
    django.on("/api/v1/charged", says(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"))
    weigh = "UPDATE proxy_upstream SET request_weight = %s WHERE slug IN ('quick', 'dead')"
    database.change(weigh, WEIGHT)
    yield start(PROCESSES).wait_until_ready()
    database.change(weigh, 1)


def says(answer: bytes) -> Script:
    def script(wire: Wire, _head: bytes) -> None:
        wire.send(answer)

    return script


def close(_wire: Wire, _head: bytes) -> None:
    raise Cut("as told")


def ask(gateway: Gateway, secret: str, case: Case) -> list[int]:
    head = request("POST" if case.body else "GET", case.path, secret, *case.fields)
    return [gateway.ask(head + case.body).status for _ in range(EACH)]


def call(gateway: Gateway, secret: str, case: Case) -> Counter[int]:
    with ThreadPoolExecutor(CLIENTS) as threads:
        found = threads.map(ask, [gateway] * CLIENTS, [secret] * CLIENTS, [case] * CLIENTS)
        return Counter(status for some in found for status in some)


def counted(database: Database, secret: str) -> Counter[str]:
    return Counter(books(database, subject_of(database, secret)))


def test_the_counters_before_and_after(gateway: Gateway, database: Database) -> None:
    secret = limited(database, requests_per_day=5000, requests_per_month=5000)
    found, wanted = {}, {}
    for name, case in CASES.items():
        before = counted(database, secret)

        assert call(gateway, secret, case) == {case.status: CALLS}, name

        found[name] = counted(database, secret) - before
        units = {"requests per day", "requests per month"} if case.units else set()
        wanted[name] = dict.fromkeys(units, case.units * CALLS)
    assert found == wanted


def test_units_that_came_back_can_be_spent_to_the_last(
    gateway: Gateway, database: Database
) -> None:
    secret = limited(database, requests_per_month=30)
    assert call(gateway, secret, CASES["switched off"]) == {503: CALLS}

    found = call(gateway, secret, CASES["answered"])

    assert found == {200: 30, 429: CALLS - 30}
    assert counted(database, secret) == {"requests per month": 30}
