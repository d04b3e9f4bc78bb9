"""A client that ended its side is answered what it asked whole, and nothing more is waited for."""

import contextlib
import time

import pytest

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut, Server, Wire

CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize("again", range(3))
def test_a_whole_body_is_answered(gateway: Gateway, key: str, again: int) -> None:
    sized = request("POST", "/proxy/echo/sized", key, body=b"whole")
    chunked = request("POST", "/proxy/echo/chunks", key, CHUNKED) + b"5\r\nwhole\r\n0\r\n\r\n"

    for asked in (sized, chunked, chunked + sized):
        wire = gateway.connect().send(asked)
        wire.end()
        answers = [wire.answer() for _ in range(asked.count(b"POST"))]

        assert [answer.status for answer in answers] == [200] * len(answers)
        assert all(b"whole" in answer.body for answer in answers)
        assert wire.is_closed_within(2)


@pytest.mark.parametrize("whole_before", [False, True])
@pytest.mark.parametrize(
    ("fields", "body"), [("Content-Length: 6", b"short"), (CHUNKED, b"6\r\nshort")]
)
def test_a_short_one_is_refused_and_never_completed(
    gateway: Gateway, key: str, upstream: Server, whole_before: bool, fields: str, body: bytes
) -> None:
    completed: list[bytes] = []

    def script(wire: Wire, head: bytes) -> None:
        completed.append(wire.exactly(6) if b"ontent-" in head else wire.raw_chunks())

    upstream.on("/short-half", script)
    before = request("GET", "/proxy/echo/before", key) if whole_before else b""
    wire = gateway.connect().send(before + request("POST", "/proxy/echo/short-half", key, fields))
    wire.send(body).end()

    statuses = [wire.answer().status for _ in range(1 + whole_before)]
    assert statuses[-1] == 400
    assert wire.is_closed_within(2)
    assert completed == []


@pytest.mark.parametrize("path", ["/proxy/echo/x", "/claim/x", "/healthz"])
def test_half_a_request_more_is_not_waited_for(gateway: Gateway, key: str, path: str) -> None:
    wire = gateway.connect().send(request("GET", path, key) + b"GET /another HTTP/1.")
    wire.end()

    assert wire.answer().status == 200
    assert wire.is_closed_within(2)


@pytest.mark.parametrize("body", [b"", b"body"])
def test_it_frees_a_slow_upstream_as_one_that_left(
    gateway: Gateway, key: str, upstream: Server, body: bytes
) -> None:
    left: list[float] = []

    def silent(wire: Wire, _head: bytes) -> None:
        wire.exactly(len(body))
        with contextlib.suppress(Cut):
            wire.more()
        left.append(time.monotonic())

    upstream.on("/silent-half", silent)
    wire = gateway.connect().send(request("POST", "/proxy/echo/silent-half", key, body=body))
    wire.end()
    ended = time.monotonic()

    assert wire.is_closed_within(3)
    time.sleep(0.05)
    assert left
    assert left[0] - ended < 2
