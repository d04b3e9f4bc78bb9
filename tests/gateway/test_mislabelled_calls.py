"""No stream is free (QTA-12): many servers read JSON whatever its Content-Type says, so a call's
budget must not depend on that; what is no JSON passes as it came."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway import metered
from tests.gateway.conftest import Database
from tests.gateway.metered import assert_used, path_of
from tests.gateway.processes import Gateway, request
from tests.gateway.unit.usage.recorded import EVENTS, choice, events
from tests.gateway.wire import Server, Wire, unchunk

WORDS = events([choice({"content": "abc"})] * 50)  # and not a word of what it used
FIELDS = {
    "plain": ["Content-Type: text/plain"],
    "none": [],
    "form": ["Content-Type: application/x-www-form-urlencoded"],
    "suffix": ["Content-Type: application/vnd.api+json"],
    "binary": ["Content-Type: application/octet-stream"],
    "multipart": ["Content-Type: multipart/form-data; boundary=x"],
}
UPLOAD = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"{sound}" * 40_000


@pytest.fixture(scope="module", autouse=True)
def _upstreams(database: Database, upstream: Server) -> Iterator[None]:
    with metered.metered_upstreams(database, upstream):
        yield


def body_of(**asked: Any) -> bytes:
    return json.dumps({"model": "gpt-x", "messages": [], "stream": True} | asked).encode()


class Streaming:
    """Reads what it gets as JSON, and streams words."""

    def __init__(self, server: Server) -> None:
        self.bodies: list[bytes] = []
        self.path = path_of(server, self.answer)

    def answer(self, wire: Wire, head: bytes) -> None:
        raw = metered.take_body(wire, head)
        self.bodies.append(unchunk(raw) if b"chunked" in head.lower() else raw)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % EVENTS
        wire.send(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(WORDS), WORDS))


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("start", [b"", b" \r\n"], ids=["bare", "space"])
def test_a_call_holds_and_costs_what_it_asks_for_whatever_its_type_says(
    gateway: Gateway, database: Database, upstream: Server, fields: list[str], start: bytes
) -> None:
    key = metered.limited(database, tokens_lifetime=1000)
    streaming = Streaming(upstream)

    def status(body: bytes) -> int:
        path = metered.place("openai", streaming.path)
        return gateway.ask(request("POST", path, key, *fields, body=start + body)).status

    assert status(body_of(max_tokens=999)) == 429
    assert streaming.bodies == []
    body = body_of(max_tokens=900)
    assert status(body) == 200
    assert streaming.bodies == [start + body]
    assert_used(database, key, {"tokens": -(-len(start + body) // 3) + 50})


def test_under_two_types_a_call_is_held_by_its_length(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_lifetime=1000)
    streaming = Streaming(upstream)
    path = metered.place("openai", streaming.path)
    fields = ("Content-Type: text/plain", metered.JSON)

    answer = gateway.ask(request("POST", path, key, *fields, body=body_of(max_tokens=9)))

    assert (answer.status, streaming.bodies) == (429, [])  # two readers may find two calls in it


@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_what_is_no_json_passes_as_it_came_and_holds_one(
    gateway: Gateway, database: Database, upstream: Server, framing: str
) -> None:
    key = metered.limited(database, tokens_lifetime=2)
    streaming = Streaming(upstream)
    path, fields = metered.place("openai", streaming.path), FIELDS["multipart"]
    if framing == "sized":
        call = request("POST", path, key, *fields, body=UPLOAD)
    else:
        chunks = b"1\r\n-\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(UPLOAD) - 1, UPLOAD[1:])
        call = request("POST", path, key, *fields, "Transfer-Encoding: chunked") + chunks

    assert gateway.ask(call).status == 200

    assert streaming.bodies == [UPLOAD]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("Content-Encoding: gzip", b"\x1f\x8b..."),
        ("X-Mark: utf-8", b"\xef\xbb\xbf{}"),
        ("X-Mark: utf-16", '{"max_tokens": 1}'.encode("utf-16")),
        ("X-Wrong: yes", b'{"max_tokens": 1'),
        ("X-Large: yes", b"{" + b" " * 1_200_000 + b"}"),
    ],
)
def test_one_that_is_not_read_is_held_by_its_length(
    gateway: Gateway, database: Database, upstream: Server, field: str, body: bytes
) -> None:
    key = metered.limited(database, tokens_lifetime=4096)
    path = metered.place("openai", Streaming(upstream).path)

    call = request("POST", path, key, "Content-Type: text/plain", field, body=body)

    assert gateway.ask(call).status == 429
    assert upstream.heads_of(path.removeprefix("/proxy/m-openai")) == []


def test_a_file_goes_up_as_it_comes(gateway: Gateway, database: Database, upstream: Server) -> None:
    key, began = metered.limited(database, tokens_lifetime=2), threading.Event()

    def listen(wire: Wire, _head: bytes) -> None:
        wire.exactly(1000)
        began.set()
        wire.exactly(len(UPLOAD) - 1000)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    path = metered.place("openai", path_of(upstream, listen))
    call = request("POST", path, key, *FIELDS["multipart"], body=UPLOAD)
    rest = len(UPLOAD) - 1000
    wire = gateway.connect().send(call[:-rest])

    assert began.wait(5)
    assert wire.send(call[-rest:]).answer().status == 200
