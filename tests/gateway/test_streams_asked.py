"""OpenAI's streams tell what they used only if they are asked: the gateway asks, and keeps the
answer to that from clients that did not."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.gateway import metered
from tests.gateway.conftest import Database
from tests.gateway.metered import answers, assert_used, at_every, path_of, sized, usage_in
from tests.gateway.processes import Gateway, request
from tests.gateway.unit.usage.recorded import (
    CHAT_CHUNKS,
    EVENTS,
    JSON,
    STREAM_USAGE,
    events,
)
from tests.gateway.wire import Answer, Server, Wire

CHAT = "/chat/completions"
TELLS = events(CHAT_CHUNKS)
SILENT = events([chunk for chunk in CHAT_CHUNKS if chunk != CHAT_CHUNKS[-2]])
ASKED = {"model": "gpt-x", "messages": [], "stream": True}
TOKENS = 19 + 10
OPTIONS = {"include_usage": True}


@pytest.fixture(scope="module", autouse=True)
def _upstreams(database: Database, upstream: Server) -> Iterator[None]:
    with metered.metered_upstreams(database, upstream):
        yield


@pytest.fixture(scope="module", params=[{}, {"tokens_per_month": 10**7}], ids=["free", "budget"])
def key(database: Database, request: pytest.FixtureRequest) -> str:
    return metered.limited(database, **request.param)


class Service:
    """Streams as OpenAI does: the last event only if it is asked for. Keeps what it was sent."""

    def __init__(self, upstream: Server, pieces: Callable[[bytes], list[bytes]], end: str = CHAT):
        self.pieces = pieces
        self.bodies: list[bytes] = []
        self.heads: list[bytes] = []
        self.path = path_of(upstream, self.answer, end)

    def answer(self, wire: Wire, head: bytes) -> None:
        body = metered.take_body(wire, head)
        self.bodies.append(body)
        self.heads.append(head.lower())
        tells = (json.loads(body).get("stream_options") or {}).get("include_usage")
        whole = TELLS if tells else SILENT
        wire.held = head + body + wire.held
        answers(EVENTS, self.pieces(whole))(wire, wire.until(b"\r\n\r\n"))


def call(gateway: Gateway, service: Service, key: str, **asked: Any) -> Answer:
    body = json.dumps(ASKED | asked).encode()
    fields = ("Accept-Encoding: gzip, br",)
    return gateway.ask(metered.ask("openai", service.path, key, *fields, body=body))


STEP = 60


@pytest.mark.parametrize("first", [*range(1, STEP + 1, 3), 0])
def test_the_client_gets_what_it_asked_for_and_the_log_what_was_used(
    gateway: Gateway, database: Database, upstream: Server, key: str, first: int
) -> None:
    step = STEP if first else 1
    service = Service(upstream, lambda whole: at_every(step, first or 1, whole))

    answer = call(gateway, service, key)

    assert answer.body == SILENT
    row = metered.row(database, answer)
    assert (usage_in(row), row["usage_source"]) == (STREAM_USAGE, "reported")
    assert row["bytes_out"] == len(SILENT)
    assert json.loads(service.bodies[0]) == ASKED | {"stream_options": OPTIONS}
    assert b"\r\naccept-encoding: identity\r\n" in service.heads[0]
    assert service.heads[0].count(b"accept-encoding") == 1


@pytest.mark.parametrize("end", [CHAT, "/completions"])
def test_again_and_again_on_one_connection(
    gateway: Gateway, database: Database, upstream: Server, key: str, end: str
) -> None:
    """The short way too, for streams and others by turns."""
    service = Service(upstream, lambda whole: [whole], end)
    wire = gateway.connect()

    for turn in range(8):
        body = json.dumps(ASKED | {"stream": turn % 2 == 0}).encode()
        wire.send(metered.ask("openai", service.path, key, body=body))
        assert wire.answer().body == SILENT
        asked = {"stream_options": OPTIONS} if turn % 2 == 0 else {}
        assert json.loads(service.bodies[turn]) == json.loads(body) | asked
        if turn % 2:
            assert service.bodies[turn] == body


@pytest.mark.parametrize(
    "asked",
    [{"stream_options": OPTIONS}, {"stream": "true"}, {"stream": 1}, {"stream": False},
     {"stream": None}, {"messages": ["\u00e9", "\\u0073"], "stream": False}],
)  # fmt: skip
def test_other_bodies_go_up_and_come_down_as_they_are(
    gateway: Gateway, upstream: Server, key: str, asked: dict[str, Any]
) -> None:
    service = Service(upstream, lambda whole: at_every(50, 7, whole))
    for _ in range(3):
        answer = call(gateway, service, key, **asked)

        assert answer.body == (TELLS if "stream_options" in asked else SILENT)
        assert service.bodies[-1] == json.dumps(ASKED | asked).encode()
        assert b"accept-encoding: gzip, br\r\n" in service.heads[-1]


def test_only_where_openai_has_to_be_asked(gateway: Gateway, upstream: Server, key: str) -> None:
    body = json.dumps(ASKED).encode()
    for form, end in (("openai", "/responses"), ("anthropic", CHAT)):
        service = Service(upstream, lambda whole: [whole], end)
        gateway.ask(metered.ask(form, service.path, key, body=body))

        assert service.bodies == [body]


def test_a_chunked_body_gets_a_length(gateway: Gateway, upstream: Server, key: str) -> None:
    service = Service(upstream, lambda whole: [whole])
    body = json.dumps(ASKED).encode()
    fields = (metered.JSON, "Transfer-Encoding: chunked")
    wire = gateway.connect()
    wire.send(request("POST", metered.place("openai", service.path), key, *fields))
    for at in range(0, len(body), 9):
        wire.send(b"%x\r\n%b\r\n" % (len(body[at : at + 9]), body[at : at + 9]))

    assert wire.send(b"0\r\n\r\n").answer().body == SILENT

    assert json.loads(service.bodies[0])["stream_options"] == OPTIONS
    assert b"\r\ncontent-length: %d\r\n" % len(service.bodies[0]) in service.heads[0]
    assert b"transfer-encoding" not in service.heads[0]


def test_a_stream_with_a_length_and_a_client_of_1_0(
    gateway: Gateway, database: Database, upstream: Server, key: str
) -> None:
    path = path_of(upstream, sized(EVENTS, TELLS), CHAT)
    body = json.dumps(ASKED).encode()
    call = metered.ask("openai", path, key, body=body)

    answer = gateway.ask(call)
    assert (answer.body, answer.field("content-length")) == (SILENT, "")
    answer = gateway.ask(call.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (answer.body, answer.field("transfer-encoding")) == (SILENT, "")
    assert usage_in(metered.row(database, answer)) == STREAM_USAGE


def test_what_is_no_plain_stream_comes_down_as_it_is(
    gateway: Gateway, upstream: Server, key: str
) -> None:
    refusal = b'{"choices": [], "usage": {"prompt_tokens": 1}}'
    coded = gzip.compress(TELLS)
    scripts = {
        sized(JSON, refusal, 400): refusal,
        answers(EVENTS, at_every(30, 1, coded), coding=b"gzip"): coded,
    }
    for script, expected in scripts.items():
        path = path_of(upstream, script, CHAT)
        call = metered.ask("openai", path, key, body=json.dumps(ASKED).encode())
        assert gateway.ask(call).body == expected


def test_what_had_come_of_a_cut_stream_is_passed_on(
    gateway: Gateway, upstream: Server, key: str
) -> None:
    part = SILENT[:-20]

    def cut(wire: Wire, head: bytes) -> None:
        metered.take_body(wire, head)
        fields = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
        wire.send(fields % EVENTS + b"%x\r\n%b\r\n" % (len(part), part))
        wire.close()

    path = path_of(upstream, cut, CHAT)
    wire = gateway.connect()
    wire.send(metered.ask("openai", path, key, body=json.dumps(ASKED).encode()))
    wire.head()
    got = wire.rest()

    assert not got.endswith(b"0\r\n\r\n")
    assert got.replace(b"\r\n", b"").endswith(part[-30:].replace(b"\r\n", b""))


def test_a_stream_that_was_asked_is_charged_as_it_told(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_per_month=10_000)

    call(gateway, Service(upstream, lambda whole: at_every(90, 5, whole)), key)

    assert_used(database, key, {"tokens": TOKENS})
