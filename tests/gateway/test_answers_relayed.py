"""PRX-12, PRX-14: answers of every framing arrive whole, at once, or visibly cut."""

import time

import pytest

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut, Server, Wire

OK = b"HTTP/1.1 200 OK\r\n"


def answer_with(upstream: Server, path: str, raw: bytes, *, close: bool = False) -> None:
    def script(wire: Wire, _head: bytes) -> None:
        wire.send(raw)
        if close:
            raise Cut

    upstream.on(path, script)


def test_chunked_and_close_delimited_answers_arrive_whole(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    answer_with(upstream, "/c", OK + b"Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n")
    answer_with(upstream, "/u", OK + b"\r\nuntil the end", close=True)
    answer_with(upstream, "/10", b"HTTP/1.0 200 OK\r\n\r\nold", close=True)

    wire = gateway.connect()
    bodies = [
        wire.send(request("GET", f"/proxy/echo/{path}", key)).answer().body
        for path in ("c", "u", "10")
    ]

    assert bodies == [b"abc", b"until the end", b"old"]


@pytest.mark.parametrize("status", [204, 304])
def test_bodiless_answers_keep_the_connection(
    gateway: Gateway, key: str, upstream: Server, status: int
) -> None:
    answer_with(upstream, f"/{status}", b"HTTP/1.1 %d X\r\nETag: a\r\n\r\n" % status)
    wire = gateway.connect()

    for _ in range(2):
        wire.send(request("GET", f"/proxy/echo/{status}", key))
        assert wire.answer().status == status


def test_head_is_answered_without_a_body(gateway: Gateway, key: str) -> None:
    wire = gateway.connect().send(request("HEAD", "/proxy/echo/h", key))

    assert int(wire.answer(bodiless=True).field("content-length")) > 0
    assert wire.send(request("GET", "/healthz")).answer().body == b"ok\n"


def test_an_http_1_0_client_gets_no_chunks(gateway: Gateway, key: str, upstream: Server) -> None:
    answer_with(upstream, "/c10", OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")

    wire = gateway.connect()
    wire.send(f"GET /proxy/echo/c10 HTTP/1.0\r\nX-API-Key: {key}\r\n\r\n".encode())
    head, body = wire.rest().split(b"\r\n\r\n")

    assert body == b"abc"
    assert b"transfer-encoding" not in head.lower()


def test_interim_answers_are_relayed_but_100_and_101_are_not(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    answer_with(upstream, "/hints", hints + OK + b"Content-Length: 0\r\n\r\n")
    answer_with(upstream, "/101", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")
    wire = gateway.connect().send(request("GET", "/proxy/echo/hints", key))

    assert wire.head().field("link") == "</a>"
    assert wire.answer().status == 200
    assert gateway.get("/proxy/echo/101", key).status == 502


def test_each_piece_passes_at_once(gateway: Gateway, key: str, upstream: Server) -> None:
    sent: list[float] = []

    def stream(wire: Wire, _head: bytes) -> None:
        wire.send(OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            time.sleep(0.05)
            sent.append(time.monotonic())
            wire.send(b"4\r\nping\r\n")
        wire.send(b"0\r\n\r\n")

    upstream.on("/sse", stream)
    wire = gateway.connect().send(request("GET", "/proxy/echo/sse", key))
    wire.head()
    got = []
    for _ in range(5):
        wire.until(b"ping\r\n")
        got.append(time.monotonic())

    assert max(there - here for here, there in zip(sent, got, strict=True)) < 0.05


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 10\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
def test_an_answer_cut_short_is_seen_as_cut(
    gateway: Gateway, key: str, upstream: Server, framing: bytes
) -> None:
    answer_with(upstream, "/cut", OK + framing, close=True)

    with pytest.raises(Cut):
        gateway.get("/proxy/echo/cut", key)


def test_an_answer_cut_short_is_a_reset_where_the_end_would_look_whole(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    framing = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    answer_with(upstream, "/cut10", OK + framing, close=True)
    wire = gateway.connect()
    wire.send(f"GET /proxy/echo/cut10 HTTP/1.0\r\nX-API-Key: {key}\r\n\r\n".encode())

    with pytest.raises(Cut, match="reset"):
        wire.rest()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000,
    ],
)
def test_no_valid_answer_is_502_upstream_failed(
    gateway: Gateway, key: str, upstream: Server, raw: bytes
) -> None:
    answer_with(upstream, "/bad", raw, close=True)

    answer = gateway.get("/proxy/echo/bad", key)

    assert answer.status == 502
    assert b'"upstream_failed"' in answer.body


def test_malformed_chunks_of_an_upstream_are_a_visible_cut(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    framing = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"
    answer_with(upstream, "/badchunk", OK + framing)

    with pytest.raises(Cut):
        gateway.get("/proxy/echo/badchunk", key)


def test_a_refused_connection_is_502_upstream_unreachable(gateway: Gateway, key: str) -> None:
    answer = gateway.get("/proxy/dead/", key)

    assert answer.status == 502
    assert b'"upstream_unreachable"' in answer.body


def timed(gateway: Gateway, path: str, key: str) -> tuple[int, float]:
    began = time.monotonic()
    try:
        status = gateway.get(path, key).status
    except Cut:
        status = 0
    return status, time.monotonic() - began


def test_a_late_first_byte_is_504_in_time(gateway: Gateway, key: str, upstream: Server) -> None:
    upstream.on("/sleep", lambda *_: time.sleep(3))

    status, seconds = timed(gateway, "/proxy/quick/sleep", key)

    assert status == 504
    assert 0.4 <= seconds < 0.9


def test_a_pause_in_an_answer_cuts_it_in_time(gateway: Gateway, key: str, upstream: Server) -> None:
    def pause(wire: Wire, _head: bytes) -> None:
        wire.send(OK + b"Content-Length: 9\r\n\r\nabc")
        time.sleep(3)

    upstream.on("/pause", pause)
    status, seconds = timed(gateway, "/proxy/quick/pause", key)

    assert status == 0
    assert 0.4 <= seconds < 0.9


def test_the_whole_exchange_has_a_limit(gateway: Gateway, key: str, upstream: Server) -> None:
    def drip(wire: Wire, _head: bytes) -> None:
        wire.send(OK + b"Content-Length: 100\r\n\r\n")
        for _ in range(30):
            wire.send(b"x")
            time.sleep(0.1)

    upstream.on("/drip", drip)
    status, seconds = timed(gateway, "/proxy/brief/drip", key)

    assert status == 0
    assert 0.7 <= seconds < 1.2


def test_an_early_answer_is_relayed_and_the_connection_ends(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    answer_with(upstream, "/early", OK + b"Content-Length: 5\r\n\r\nearly")
    head = request("POST", "/proxy/echo/early", key, "Content-Length: 1000000")
    wire = gateway.connect().send(head + b"x" * 1000)

    answer = wire.answer()

    assert (answer.status, answer.body) == (200, b"early")
    assert answer.field("connection") == "close"
    assert wire.is_closed_within(3)
