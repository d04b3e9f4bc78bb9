"""SMG-01 … 04, 06 … 08: bodies arrive byte-exact or not at all; framing has one reading."""

import hashlib
import random
import threading

import pytest

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire, unchunk

CHUNKED = "Transfer-Encoding: chunked"
MARK = "X-Mark: one-reading"
SMUGGLED = b"GET /proxy/echo/smuggled HTTP/1.1\r\nHost: gateway.test\r\nX-Mark: one-reading\r\n\r\n"


def post(key: str, *fields: str, path: str = "/proxy/echo/in") -> bytes:
    return request("POST", path, key, *fields)


@pytest.mark.parametrize("size", [1, 65_535, 300_000, 8 << 20])
def test_a_sized_body_arrives_byte_exact(gateway: Gateway, key: str, size: int) -> None:
    body = random.Random(size).randbytes(size)

    answer = gateway.ask(request("POST", "/proxy/echo/in", key, body=body))

    assert answer.body.partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize("pieces", [[], [1], [1, 2, 3], [65_536, 1], [700_000, 700_000]])
def test_a_chunked_body_arrives_byte_exact(gateway: Gateway, key: str, pieces: list[int]) -> None:
    parts = [random.Random(size).randbytes(size) for size in pieces]
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in parts)

    answer = gateway.ask(post(key, CHUNKED) + chunks + b"0\r\n\r\n")

    head, _, raw = answer.body.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"ext=1" not in raw[:200]
    assert unchunk(raw) == b"".join(parts)


def test_64_mib_arrive_whole(gateway: Gateway, key: str, upstream: Server) -> None:
    block, count = random.Random(1).randbytes(1 << 20), 64
    seen = hashlib.sha256()

    def swallow(wire: Wire, _head: bytes) -> None:
        for _ in range(count):
            seen.update(wire.exactly(len(block)))
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    upstream.on("/swallow", swallow)
    wire = gateway.connect()
    wire.send(post(key, f"Content-Length: {count << 20}", path="/proxy/echo/swallow"))
    for _ in range(count):
        wire.send(block)

    assert wire.answer().status == 200
    assert seen.digest() == hashlib.sha256(block * count).digest()


def test_a_body_that_comes_byte_by_byte_arrives(gateway: Gateway, key: str) -> None:
    wire = gateway.connect()
    for byte in post(key, CHUNKED) + b"3\r\nabc\r\n0\r\n\r\n":
        wire.send(bytes([byte]))

    seen = wire.answer().body.partition(b"\r\n\r\n")[2]
    assert unchunk(seen) == b"abc"  # in how many chunks is a matter of time
    assert seen.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "fields",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: 5\r\nContent-Length: 6",
        "X: a\r\n folded",
        "X : a",
        "X: a\0b",
        "X: a\nY: b",
        "X: a\rY: b",
        ": nameless",
    ],
)
def test_a_head_with_two_readings_is_refused(
    gateway: Gateway, key: str, upstream: Server, fields: str
) -> None:
    upstream.heads.clear()
    wire = gateway.connect().send(post(key, fields, MARK) + b"0\r\n\r\n" + SMUGGLED)

    answer = wire.answer()

    assert answer.status == 400
    assert answer.field("connection") == "close"
    assert wire.is_closed_within(3)
    assert upstream.heads_with(MARK) == []


@pytest.mark.parametrize(
    "chunks", [b"5\r\nab", b"zz\r\n", b"-1\r\n", b"2\r\nabc\r\n", b"2\nab\n", b"1;\x01\r\na\r\n"]
)
def test_a_malformed_or_truncated_chunked_body_is_never_completed(
    gateway: Gateway, key: str, upstream: Server, chunks: bytes
) -> None:
    received: list[bytes] = []

    def note(wire: Wire, _head: bytes) -> None:
        try:
            received.append(wire.rest())
        finally:
            received.append(b"end")

    upstream.on("/note", note)
    wire = gateway.connect().send(post(key, CHUNKED, path="/proxy/echo/note"))
    wire.send(b"3\r\nabc\r\n" + chunks).end()

    assert wire.answer().status == 400
    assert wire.is_closed_within(3)
    assert not any(b"0\r\n\r\n" in part for part in received)


def test_a_sized_body_cut_short_is_never_completed(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    ends: list[bytes] = []
    upstream.on("/short", lambda wire, _: ends.append(wire.exactly(10)))
    wire = gateway.connect().send(post(key, "Content-Length: 10", path="/proxy/echo/short"))

    wire.send(b"12345").end()

    assert wire.answer().status == 400
    assert ends == []


def test_the_next_request_waits_for_the_answer_before_it(gateway: Gateway, key: str) -> None:
    one, two = request("GET", "/proxy/echo/1", key), request("GET", "/proxy/echo/2", key)
    wire = gateway.connect().send(post(key, CHUNKED) + b"1\r\na\r\n0\r\n\r\n" + one + two)

    paths = [wire.answer().body.split(b" ")[1] for _ in range(3)]

    assert paths == [b"/in", b"/1", b"/2"]


def test_a_long_pipeline_is_answered_in_order(gateway: Gateway) -> None:
    wire = gateway.connect()
    sender = threading.Thread(target=wire.send, args=[request("GET", "/healthz") * 3000])
    sender.start()

    assert all(wire.answer().status == 200 for _ in range(3000))
    sender.join()


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_are_not_carried_are_refused(gateway: Gateway, key: str, method: str) -> None:
    assert gateway.ask(request(method, "/proxy/echo/", key)).status == 405


def test_an_unknown_method_is_refused(gateway: Gateway, key: str) -> None:
    assert gateway.ask(request("BREW", "/proxy/echo/", key)).status == 501


@pytest.mark.parametrize("apart", [False, True])
def test_h2c_is_not_honoured_and_its_body_is_a_body(
    gateway: Gateway, key: str, upstream: Server, apart: bool
) -> None:
    fields = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    head = post(key, *fields, MARK, f"Content-Length: {len(SMUGGLED)}")
    upstream.heads.clear()

    wire = gateway.connect()
    if apart:
        wire.send(head).send(SMUGGLED)
    else:
        wire.send(head + SMUGGLED)

    answer = wire.answer()
    assert answer.status == 200
    assert answer.body.endswith(SMUGGLED)
    assert b"upgrade" not in answer.body.partition(b"\r\n\r\n")[0].lower()
    assert len(upstream.heads_with(MARK)) == 1


def test_trailers_never_become_fields(gateway: Gateway, key: str) -> None:
    trailers = b"X-Api-Key: k\r\nX-Momentry-User-Id: 1\r\nX-Checksum: 7\r\n"

    answer = gateway.ask(post(key, CHUNKED) + b"1\r\na\r\n0\r\n" + trailers + b"\r\n")

    head, _, raw = answer.body.partition(b"\r\n\r\n")
    assert b"checksum" not in head.lower()
    assert raw.lower() == b"1\r\na\r\n0\r\nx-checksum: 7\r\n\r\n"


def test_django_is_shown_no_trailers(gateway: Gateway) -> None:
    chunks = b"1\r\na\r\n0\r\nX-Checksum: 7\r\n\r\n"

    answer = gateway.ask(request("POST", "/claim/x", "", CHUNKED) + chunks)

    assert answer.body.endswith(b"\r\n\r\n1\r\na\r\n0\r\n\r\n")


def test_a_body_above_the_upstreams_limit_is_refused(gateway: Gateway, key: str) -> None:
    sized = gateway.ask(request("POST", "/proxy/small/", key, body=b"x" * 11))
    chunked = gateway.ask(
        post(key, CHUNKED, path="/proxy/small/") + b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n"
    )

    assert (sized.status, chunked.status) == (413, 413)


def test_100_continue_is_sent_when_the_upstream_stands(gateway: Gateway, key: str) -> None:
    wire = gateway.connect().send(post(key, "Content-Length: 2", "Expect: 100-continue"))

    assert wire.head().status == 100
    answer = wire.send(b"ab").answer()
    assert answer.body.endswith(b"\r\n\r\nab")
    assert b"expect" not in answer.body.lower()


def test_a_refused_request_is_not_asked_for_its_body(gateway: Gateway, key: str) -> None:
    refused = gateway.connect().send(post("", "Content-Length: 2", "Expect: 100-continue"))
    dead = post(key, "Content-Length: 2", "Expect: 100-continue", path="/proxy/dead/")

    assert refused.answer().status == 401
    assert gateway.ask(dead).status == 502


def test_a_small_body_of_a_refused_request_does_not_cost_the_connection(gateway: Gateway) -> None:
    wire = gateway.connect()
    wire.send(request("POST", "/proxy/echo/", body=b"abc") + request("GET", "/healthz"))

    assert wire.answer().status == 401
    assert wire.answer().status == 200
