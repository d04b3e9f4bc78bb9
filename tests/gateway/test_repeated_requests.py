"""A head that came before goes the same way again: nothing but speed tells it from the first."""

import re
import socket
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import make
from tests.gateway.books import used
from tests.gateway.conftest import Database
from tests.gateway.limited import limited
from tests.gateway.processes import Gateway, environment, request
from tests.gateway.wire import Answer, Server, Wire, within

OURS = re.compile(rb"(X-Momentry-Request-Id: )[0-9a-f-]{36}")
LENGTH = "Content-Length: "


@pytest.fixture(scope="module")
def figures(database: Database) -> str:
    with database.rows():
        return make.service_key("metrics").secret


@pytest.fixture(scope="module")
def alone(database: Database, directory: Path, django: Server, seeded: str) -> Iterator[Gateway]:
    """One process: its figures are of the requests that were sent here."""
    place = str(directory / "django.sock")
    given = {"DATABASE_URL": database.url, "DJANGO_SOCKET": place}
    made = Gateway(environment(**given, TRUSTED_PROXIES="127.0.0.1"))
    try:
        yield made.wait_until_ready()
        assert made.stop() == 0
        assert made.errors() == []
    finally:
        made.kill()


@pytest.fixture
def wire(alone: Gateway) -> Iterator[Wire]:
    yield alone.connect()
    alone.close_wires()


def repeated(gateway: Gateway, figures: str) -> int:
    text = gateway.get("/metrics", figures).body.decode()
    found = re.search(r"^momentry_gateway_requests_repeated_total (\d+)", text, re.MULTILINE)
    assert found
    return int(found[1])


def times(wire: Wire, call: bytes, number: int = 4) -> list[Answer]:
    return [wire.send(call).answer() for _ in range(number)]


def shown(answer: Answer) -> tuple[object, ...]:
    """All of an answer that should not differ."""
    skipped = {"x-request-id", "ratelimit", "content-length"}
    fields = [field for field in answer.fields if field[0] not in skipped]
    return answer.status, fields, OURS.sub(rb"\1-", answer.body)


def call(*fields: str, method: str = "GET", path: str = "/proxy/echo/a") -> bytes:
    return request(method, path, "KEY", *fields)


SAME = {
    "get": call(path="/proxy/echo/a%2Fb;c?x=%20&y"),
    "head": call(method="HEAD"),
    "post": call(f"{LENGTH}5", method="POST") + b"hello",
    "empty post": call(f"{LENGTH}0", method="POST"),
    "small name": call("content-length: 5", method="POST") + b"hello",
    "zeros": call(f"{LENGTH}0005", method="POST") + b"hello",
    "no blank": call("Content-Length:5", method="POST") + b"hello",
    "capitals": call("CONTENT-LENGTH: 5", method="POST") + b"hello",
    "length in a value": call("X-A: Content-Length: 7", f"{LENGTH}1", method="POST") + b"b",
    "cookies": call("Cookie: a=b; momentry_session=1; c=d"),
    "nominated": call("Connection: keep-alive, X-B", "X-B: 1"),
    "twice": call("X-B: 1", "X-B: 2", "Accept: a", "Accept: b"),
    "front": call("X-Forwarded-For: 192.0.2.9, 192.0.2.8"),
    "in the query": call(path="/proxy/query/a?k=mine&z=1"),
    "based": call(f"{LENGTH}70000", method="POST", path="/proxy/based/deep") + b"x" * 70_000,
    "old": call("Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("name", SAME)
def test_the_fourth_is_the_first(name: str, wire: Wire, key: str) -> None:
    whole, bodiless = SAME[name].replace(b"KEY", key.encode()), name == "head"

    answers = [wire.send(whole).answer(bodiless=bodiless) for _ in range(4)]

    assert {answer.status for answer in answers} == {200}
    assert len({repr(shown(answer)) for answer in answers}) == 1
    assert len({answer.field("x-request-id") for answer in answers}) == 4


def test_it_is_taken_from_the_third_on(alone: Gateway, wire: Wire, key: str, figures: str) -> None:
    call, before = request("GET", "/proxy/echo/10th", key), repeated(alone, figures)

    assert {answer.status for answer in times(wire, call, 10)} == {200}

    assert repeated(alone, figures) - before in {6, 7, 8}  # the first may wait for the database


def test_bodies_of_other_lengths_go_the_same_way(
    alone: Gateway, wire: Wire, key: str, figures: str
) -> None:
    times(wire, request("POST", "/proxy/echo/a", key, body=b"hello"))
    before = repeated(alone, figures)

    for size in (1, 4, 5, 6, 0, 1000, 20_000, 300_000, 3):
        body = bytes(size and [65 + size % 26]) * size
        call = request("POST", "/proxy/echo/a", key, f"{LENGTH}{size}") + body
        answer = wire.send(call).answer()
        assert answer.status == 200
        assert answer.body.endswith(b"\r\n\r\n" + body)
        assert answer.body.count(f"{LENGTH}{size}\r\n".encode()) == 1

    assert repeated(alone, figures) == before + 9


def test_a_body_may_come_in_pieces_and_the_next_request_with_it(
    alone: Gateway, wire: Wire, key: str, figures: str
) -> None:
    call = request("POST", "/proxy/echo/a", key, body=b"hello world")
    times(wire, call)
    before = repeated(alone, figures)

    wire.send(call[:-6])
    time.sleep(0.05)
    wire.send(call[-6:])
    assert wire.answer().body.endswith(b"\r\n\r\nhello world")
    wire.send(call * 3)
    assert [wire.answer().body[-11:] for _ in range(3)] == [b"hello world"] * 3

    assert repeated(alone, figures) >= before + 2


NEVER = {
    "chunked": ("POST", ["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n"),
    "two lengths": ("POST", [f"{LENGTH}5", f"{LENGTH}5"], b"hello"),
    "two spellings": ("POST", [f"{LENGTH}5", "content-length: 6"], b"hello!"),
    "both framings": ("POST", [f"{LENGTH}5", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "a sign": ("POST", [f"{LENGTH}+5"], b"hello"),
    "a list": ("POST", [f"{LENGTH}5, 5"], b"hello"),
    "another key": ("POST", [f"{LENGTH}5", "X-API-Key: {key}"], b"hello"),
    "one more field": ("POST", [f"{LENGTH}5", "X_API_KEY: a"], b"hello"),
}


@pytest.mark.parametrize("name", NEVER)
def test_what_is_almost_the_same_is_read_anew(
    name: str, alone: Gateway, key: str, figures: str, upstream: Server
) -> None:
    method, fields, body = NEVER[name]
    wire = alone.connect()
    times(wire, request("POST", "/proxy/echo/a", key, body=b"hello"))
    before, seen = repeated(alone, figures), len(upstream.heads)
    call = request(method, "/proxy/echo/a", key, *(field.format(key=key) for field in fields))
    answer = wire.send(call + body).answer()

    assert answer.status == (200 if name == "chunked" else 400)
    assert repeated(alone, figures) == before
    assert len(upstream.heads) == seen + (name == "chunked")


def test_what_is_too_large_is_refused(wire: Wire, key: str) -> None:
    times(wire, request("POST", "/proxy/small/a", key, body=b"1234567890"))

    answer = wire.send(request("POST", "/proxy/small/a", key, body=b"1234567890+")).answer()

    assert (answer.status, b'"body_too_large"' in answer.body) == (413, True)


OWNED = "(SELECT owner_id FROM apikeys_apikey WHERE id = %s)"
KEYS = "UPDATE apikeys_apikey SET"
TIERS = "UPDATE apikeys_tier SET requests_per_month = 2"
CHANGES = {
    "revoked": (f"{KEYS} revoked_at = now() WHERE id = %s", 401),
    "disabled": (f"{KEYS} disabled_at = now() WHERE id = %s", 401),
    "suspended": (f"UPDATE accounts_user SET status = 'suspended' WHERE id = {OWNED}", 403),
    "no scope": (f"{KEYS} scopes = '{{videos:read}}' WHERE id = %s", 403),
    "no network": (f"{KEYS} allowed_networks = '{{192.0.2.0/24}}' WHERE id = %s", 403),
    "no units": (f"{TIERS} WHERE slug = (SELECT tier FROM accounts_user WHERE id = {OWNED})", 429),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_taken_away_is_gone_from_the_next_request_on(
    name: str, wire: Wire, database: Database, seeded: str
) -> None:
    statement, status = CHANGES[name]
    secret = limited(database, requests_per_month=1000)
    call = request("GET", "/proxy/echo/a", secret)
    assert {answer.status for answer in times(wire, call, 6)} == {200}

    database.change(statement, uuid.UUID(secret.split("_")[1]))

    assert wire.send(call).answer().status == status


def test_it_expires_on_time(wire: Wire, database: Database, seeded: str) -> None:
    secret = limited(database, requests_per_month=1_000_000)
    end = datetime.now(UTC) + timedelta(seconds=1.5)
    database.change(
        "UPDATE apikeys_apikey SET expires_at = %s WHERE id = %s",
        end,
        uuid.UUID(secret.split("_")[1]),
    )
    call, admitted = request("GET", "/proxy/echo/a", secret), 0

    while (answer := wire.send(call).answer()).status == 200:
        admitted += 1
        assert datetime.now(UTC) < end + timedelta(seconds=0.5)

    assert admitted > 4
    assert b'"key_expired"' in answer.body
    assert datetime.now(UTC) >= end - timedelta(seconds=0.1)


def test_an_upstream_that_moved_is_followed(
    wire: Wire, alone: Gateway, database: Database, key: str, upstream: Server
) -> None:
    call = request("GET", "/proxy/echo/went", key)
    times(wire, call)
    base = f"http://127.0.0.1:{upstream.port}"
    where = "upstream_id = (SELECT id FROM proxy_upstream WHERE slug = 'echo')"
    move = f"UPDATE proxy_target SET base_url = %s WHERE {where}"
    database.change(move, f"{base}/elsewhere")
    try:
        assert within(2, lambda: b" /elsewhere/went" in wire.send(call).answer().body)
    finally:
        database.change(move, base)
    assert within(2, lambda: b"GET /went" in wire.send(call).answer().body)


def test_a_blocked_address_is_blocked(wire: Wire, database: Database, key: str) -> None:
    call = request("GET", "/proxy/echo/a", key, "X-Forwarded-For: 198.51.100.77")
    times(wire, call)
    rule = "INSERT INTO apikeys_iprule (network, kind, note, created_at) VALUES (%s, %s, '', now())"
    database.change(rule, "198.51.100.77/32", "block")
    try:
        assert wire.send(call).answer().status == 403
    finally:
        database.change("DELETE FROM apikeys_iprule WHERE network = '198.51.100.77/32'")


def test_each_is_counted_and_logged(
    wire: Wire, alone: Gateway, database: Database, figures: str
) -> None:
    secret = limited(database, requests_per_month=1000)
    call = request("POST", "/proxy/echo/a", secret, "User-Agent: tests", body=b"hello")
    before = repeated(alone, figures)

    assert [answer.status for answer in times(wire, call, 12)] == [200] * 12

    assert repeated(alone, figures) > before
    rows = (
        "SELECT status, method, path, upstream, user_agent, bytes_in, count(*), count(DISTINCT id)"
        " FROM apikeys_requestlog WHERE key_id = %s GROUP BY 1, 2, 3, 4, 5, 6"
    )
    key_id = uuid.UUID(secret.split("_")[1])
    expected = [(200, "POST", "/proxy/echo/a", "echo", "tests", 5, 12, 12)]
    assert within(3, lambda: database.fetch(rows, key_id) == expected), database.fetch(rows, key_id)
    assert used(database, secret) == 12


def test_the_same_bytes_from_another_address_are_another_request(
    alone: Gateway, wire: Wire, key: str
) -> None:
    """The first comes from a trusted front, the second does not."""
    call = request("GET", "/proxy/echo/a", key, "X-Forwarded-For: 198.51.100.9")
    stranger = Wire(
        socket.create_connection(("127.0.0.1", alone.port), 5, source_address=("127.0.0.2", 0))
    )

    told = [side.send(call).answer().body for side in (wire, stranger) * 4]
    stranger.close()

    assert all(b"X-Forwarded-For: 198.51.100.9\r\n" in body for body in told[::2])
    assert all(b"X-Forwarded-For: 127.0.0.2\r\n" in body for body in told[1::2])


def test_a_connection_that_died_is_replaced(wire: Wire, key: str, upstream: Server) -> None:
    get = request("GET", "/proxy/echo/a", key)
    post = request("POST", "/proxy/echo/a", key, body=b"hello")
    for call in (get, post):
        times(wire, call)
        upstream.close_all()
        time.sleep(0.2)
        answer = wire.send(call).answer()
        assert (answer.status, answer.body[-5:] == b"hello") == (200, call is post)
