"""Budgets of tokens through the gateway: held before anything goes up, and settled however the call
ends."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway import metered
from tests.gateway.conftest import Database
from tests.gateway.limited import room
from tests.gateway.metered import answers, assert_used, path_of, sized
from tests.gateway.processes import Gateway, request
from tests.gateway.unit.usage.recorded import CHAT, JSON, compact
from tests.gateway.wire import Server, Wire

Told = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _upstreams(database: Database, upstream: Server) -> Iterator[None]:
    with metered.metered_upstreams(database, upstream):
        yield


def body_of(**asked: Any) -> bytes:
    return json.dumps({"model": "gpt-x", "messages": []} | asked).encode()


def using(read: int, wrote: int) -> bytes:
    usage = {"prompt_tokens": read, "completion_tokens": wrote}
    return compact(CHAT | {"usage": usage}).encode()


def test_what_was_reported_is_charged_and_the_rest_goes_back(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_per_month=5000, requests_per_day=50)
    path = path_of(upstream, sized(JSON, using(7, 30)))
    wire = gateway.connect()

    for turn in range(1, 5):
        call = metered.ask("openai", path, key, body=body_of(max_tokens=900))
        assert wire.send(call).answer().status == 200
        if turn in {1, 4}:
            assert_used(database, key, {"requests": turn, "tokens": turn * 37})


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_a_call_that_may_use_more_than_is_left_is_refused_before_anything_goes_up(
    gateway: Gateway, database: Database, upstream: Server, name: str
) -> None:
    key = metered.limited(database, tokens_lifetime=1000, requests_per_day=50)
    path = path_of(upstream, sized(JSON, using(7, 30)))
    wire = gateway.connect()

    told = wire.send(metered.ask("openai", path, key, body=body_of(**{name: 999}))).answer()
    assert (told.status, json.loads(told.body)["error"]["code"]) == (429, "quota_exceeded")
    assert upstream.heads_of(path) == []
    assert_used(database, key, {"requests": 0, "tokens": 0})

    told = wire.send(metered.ask("openai", path, key, body=body_of(**{name: 900}))).answer()
    assert told.status == 200
    assert_used(database, key, {"requests": 1, "tokens": 37})


def test_each_answer_may_use_the_most(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_lifetime=1000)
    path = path_of(upstream, sized(JSON, using(7, 30)))

    def status(**asked: Any) -> int:
        return gateway.ask(metered.ask("openai", path, key, body=body_of(**asked))).status

    assert status(max_tokens=300, n=4) == 429
    assert status(max_tokens=300, best_of=4) == 429
    assert status(max_tokens=300, n=3) == 200


def test_a_call_without_a_maximum_holds_a_usual_answer(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_lifetime=4096)
    path = path_of(upstream, sized(JSON, using(7, 30)))
    assert gateway.ask(metered.ask("openai", path, key, body=body_of())).status == 429

    figures = path_of(upstream, sized(JSON, using(7, 0)), "/embeddings")
    assert gateway.ask(metered.ask("openai", figures, key, body=body_of())).status == 200
    assert_used(database, key, {"tokens": 7})


def test_a_call_that_is_judged_twice_counts_once_in_every_limit(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    limits = {"requests_per_minute": 5, "concurrent_requests": 1, "requests_per_month": 100}
    key = metered.limited(database, tokens_per_day=10**6, **limits)
    path = path_of(upstream, sized(JSON, using(7, 30)))
    room(5)

    told = [gateway.ask(metered.ask("openai", path, key, body=body_of())) for _ in range(6)]

    assert [answer.status for answer in told] == [200] * 5 + [429]
    assert json.loads(told[5].body)["error"]["code"] == "rate_limited"
    assert_used(database, key, {"requests": 5, "tokens": 5 * 37})


def test_who_waits_for_a_hundred_is_refused_without_it(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_lifetime=600, requests_per_day=50)
    path = path_of(upstream, sized(JSON, using(7, 30)))

    def begin(body: bytes) -> Wire:
        fields = (metered.JSON, "Expect: 100-continue", f"Content-Length: {len(body)}")
        return gateway.connect().send(request("POST", metered.place("openai", path), key, *fields))

    told = begin(body_of(pad="x" * 3000)).answer()
    assert told.status == 429
    assert_used(database, key, {"requests": 0, "tokens": 0})

    body = body_of(max_tokens=500)
    wire = begin(body)
    assert wire.head().status == 100
    assert wire.send(body).answer().status == 200
    body = body_of(max_tokens=560)
    wire = begin(body)
    assert wire.head().status == 100
    assert wire.send(body).answer().status == 429
    assert_used(database, key, {"requests": 1, "tokens": 37})


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_budget_that_is_used_up(
    gateway: Gateway, database: Database, upstream: Server, method: str
) -> None:
    """Reading what was made before costs no tokens."""
    key = metered.limited(database, tokens_lifetime=100)
    path = path_of(upstream, sized(JSON, using(60, 90)), "/embeddings")
    call = metered.ask("openai", path, key, body=body_of())
    assert gateway.ask(call).status == 200
    assert_used(database, key, {"tokens": 150})

    answer = gateway.ask(request(method, metered.place("openai", path), key))

    assert answer.status == (429 if method == "POST" else 200)
    assert_used(database, key, {"tokens": 150})


def mirrored(wire: Wire, head: bytes) -> None:
    body = metered.take_body(wire, head)
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


ODD = [
    b"{", b"not json", b'{"max_tokens":1,"max_tokens":9}', b'{"a":1}  \r\n', "{}".encode("utf-16"),
    b'{"model": "\\ud800", "stream": "true", "max_tokens": 3}',
]  # fmt: skip


@pytest.mark.parametrize("body", ODD)
def test_a_body_goes_up_as_it_came(
    gateway: Gateway, database: Database, upstream: Server, body: bytes
) -> None:
    key = metered.limited(database, tokens_lifetime=50_000)
    path = path_of(upstream, mirrored)

    assert gateway.ask(metered.ask("openai", path, key, body=body)).body == body

    fields = (metered.JSON, "Transfer-Encoding: chunked")
    head = request("POST", metered.place("openai", path), key, *fields)
    middle = len(body) // 2 or 1
    wire = gateway.connect().send(head)
    for piece in (body[:middle], body[middle:]):
        wire.send(b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"")
    told = wire.send(b"0\r\nX-Sum: 5\r\n\r\n").answer()
    assert told.body == b"%x\r\n%b\r\n0\r\nx-sum: 5\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_held_by_its_length_and_goes_up_as_it_came(
    gateway: Gateway, database: Database, upstream: Server, chunked: bool
) -> None:
    body = body_of(max_tokens=5, pad="0123456789" * 150_000)
    held = (len(body) if not chunked else 1 << 20) // 3 + 4096
    path = path_of(upstream, sized(JSON, using(7, 30)))

    def call(key: str) -> int:
        if not chunked:
            return gateway.ask(metered.ask("openai", path, key, body=body)).status
        fields = (metered.JSON, "Transfer-Encoding: chunked")
        wire = gateway.connect()
        wire.send(request("POST", metered.place("openai", path), key, *fields))
        pieces = [body[at : at + 60_000] for at in range(0, len(body), 60_000)]
        wire.send(b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]))
        return wire.send(b"0\r\n\r\n").answer().status

    enough = metered.limited(database, tokens_lifetime=held + 30_000)
    assert call(enough) == 200
    assert_used(database, enough, {"tokens": 37})
    if not chunked:
        assert call(metered.limited(database, tokens_lifetime=held - 9)) == 429


def test_a_refusal_of_the_upstreams_costs_no_tokens(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_lifetime=50_000, requests_per_day=9)
    for status in (307, 400, 429, 500):
        path = path_of(upstream, sized(JSON, b'{"error": {"message": "no"}}', status))
        answer = gateway.ask(metered.ask("openai", path, key, body=body_of()))
        assert answer.status == status
        row = metered.row(database, answer)
        assert (row["usage_source"], row["tokens_in"]) == ("", None)

    assert_used(database, key, {"requests": 4, "tokens": 0})


def test_a_question_that_uses_nothing_costs_no_tokens(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_lifetime=1000)
    path = path_of(upstream, sized(JSON, b'{"input_tokens": 812}'), "/count_tokens")

    answer = gateway.ask(metered.ask("anthropic", path, key, body=body_of()))

    assert answer.status == 200
    assert metered.row(database, answer)["usage_source"] == ""
    assert_used(database, key, {"tokens": 0})


def test_what_never_reached_an_upstream_costs_nothing(gateway: Gateway, database: Database) -> None:
    key = metered.limited(database, tokens_lifetime=5000, requests_per_day=9)
    call = request("POST", "/proxy/m-dead/v1", key, metered.JSON, body=body_of())

    assert gateway.ask(call).status == 502

    assert_used(database, key, {"requests": 0, "tokens": 0})


def test_an_answer_that_tells_nothing_is_estimated(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_lifetime=9000)
    said = b'{"text": "%b"}' % (b"x" * 300)
    body = body_of()

    rows = [
        metered.row(database, gateway.ask(metered.ask("openai", path, key, body=body)))
        for path in (
            path_of(upstream, sized(JSON, said)), path_of(upstream, answers(b"", [said])),
        )
    ]  # fmt: skip

    told = {(row["tokens_in"], row["tokens_out"], row["usage_source"]) for row in rows}
    assert told == {(-(-len(body) // 3), -(-len(said) // 3), "estimated")}
    assert {row["model"] for row in rows} == {"gpt-x"}
    (tokens,) = {row["tokens_in"] + row["tokens_out"] for row in rows}
    assert_used(database, key, {"tokens": 2 * tokens})
