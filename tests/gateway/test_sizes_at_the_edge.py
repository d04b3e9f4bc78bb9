"""RES-01: of each size that a client may send the last byte passes, and one more does not.

Bodies are in test_uploads_at_the_edge.py, what an upstream may send in test_answers_at_the_edge.py
and test_large_answers.py, connections in test_overload.py and test_upstream_limits.py.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import pytest

from tests.gateway.conftest import Database
from tests.gateway.misbehaving import Gate, says
from tests.gateway.processes import Gateway, request
from tests.gateway.test_log_every_code import agree
from tests.gateway.test_log_rows import row_of
from tests.gateway.wire import Answer, Server, Wire, within

pytestmark = pytest.mark.slow

HEAD: Final = 32_768
FIELDS: Final = 100
BODY: Final = 10  # bytes, of the upstream ``small``
SIZE_LINE: Final = 1024
LONGEST: Final = 2**53
LOGGED: Final = 2048  # characters of a path
LINGER: Final = 8 << 20
KERNEL: Final = 24 << 20  # more than its buffers of both ends hold
MOST: Final = 96 << 20

ECHO: Final = "/proxy/echo/edge"
SMALL: Final = "/proxy/small/edge"
IN_CHUNKS: Final = "Transfer-Encoding: chunked"
EMPTY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def filled(size: int, make_text: Callable[[str], bytes]) -> bytes:
    """What ``make_text`` makes of as much filling as it takes to be so long."""
    text = make_text("x" * (size - len(make_text(""))))
    assert len(text) == size
    return text


def long_head(key: str, size: int) -> bytes:
    return filled(size, lambda fill: request("GET", ECHO, key, f"X-Fill: {fill}"))


def long_path(key: str, size: int) -> bytes:
    return filled(size, lambda fill: request("GET", f"{ECHO}/{fill}", key))


def long_query(key: str, size: int) -> bytes:
    return filled(size, lambda fill: request("GET", f"{ECHO}?{fill}", key))


def many_fields(key: str, count: int) -> bytes:
    fields = [f"X-{number}: y" for number in range(count)]
    text = request("GET", ECHO, key, *fields[2:])
    assert text.count(b"\r\n") == count + 2
    return text


def chunked(path: str, key: str, rest: bytes) -> bytes:
    return request("POST", path, key, IN_CHUNKS) + rest


def in_chunks(sizes: list[int]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (size, b"z" * size) for size in sizes) + b"0\r\n\r\n"


def size_line(size: int) -> bytes:
    return filled(size, lambda fill: f"1;{fill}\r\n".encode())


def trailers(size: int) -> bytes:
    return b"0\r\n" + filled(size, lambda fill: f"X-Sum: {fill}\r\n\r\n".encode())


class Edge(NamedTuple):
    """``make(key, size)``, for the largest size that passes and for one more."""

    make: Callable[[str, int], bytes]
    size: int
    status: int
    code: str


EDGES: Final = {
    "a head": Edge(long_head, HEAD, 431, "head_too_large"),
    "a path": Edge(long_path, HEAD, 431, "head_too_large"),
    "a query": Edge(long_query, HEAD, 431, "head_too_large"),
    "fields": Edge(many_fields, FIELDS, 431, "head_too_large"),
    "chunks": Edge(
        lambda key, size: chunked(SMALL, key, in_chunks([1] * size)), BODY, 413, "body_too_large"
    ),
    "the first size line": Edge(
        lambda key, size: chunked(ECHO, key, size_line(size) + b"z\r\n0\r\n\r\n"),
        SIZE_LINE, 400, "bad_request",
    ),
    "a later size line": Edge(
        lambda key, size: chunked(ECHO, key, b"1\r\nz\r\n" + size_line(size) + b"z\r\n0\r\n\r\n"),
        SIZE_LINE, 400, "bad_request",
    ),
    "digits of a chunk's size": Edge(
        lambda key, size: chunked(ECHO, key, b"1".zfill(size) + b"\r\nz\r\n0\r\n\r\n"),
        16, 400, "bad_request",
    ),
    "trailers": Edge(
        lambda key, size: chunked(ECHO, key, b"1\r\nz\r\n0\r\n" + b"X: y\r\n" * size + b"\r\n"),
        FIELDS, 400, "bad_request",
    ),
    "bytes of trailers": Edge(
        lambda key, size: chunked(ECHO, key, b"1\r\nz\r\n" + trailers(size)),
        HEAD, 400, "bad_request",
    ),
}  # fmt: skip


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", EDGES)
def test_the_last_byte_passes_and_one_more_is_refused(
    gateway: Gateway, database: Database, key: str, name: str, apart: bool
) -> None:
    edge = EDGES[name]

    fits = say(gateway, edge.make(key, edge.size), apart)
    over = say(gateway, edge.make(key, edge.size + 1), apart)

    assert fits.status == 200, fits.body
    assert row_of(database, fits.field("x-request-id"))["code"] == ""
    assert over.status == edge.status
    agree(database, over, edge.code)
    assert gateway.get(ECHO, key).status == 200


def say(gateway: Gateway, text: bytes, apart: bool) -> Answer:
    """In one piece, or its last bytes later: two ways of reading."""
    if not apart:
        return gateway.ask(text)
    wire = gateway.connect().send(text[:-9])
    time.sleep(0.05)
    return wire.send(text[-9:]).answer()


def test_a_path_is_forwarded_whole_and_logged_in_part(
    gateway: Gateway, database: Database, key: str
) -> None:
    text = long_path(key, HEAD)
    path = text.split(b" ")[1]

    answer = gateway.ask(text)

    assert answer.body.split(b" ")[1] == path.removeprefix(b"/proxy/echo")
    row = row_of(database, answer.field("x-request-id"))
    assert row["path"] == path[:LOGGED].decode()


@pytest.mark.parametrize(
    ("framing", "rest", "code"),
    [
        (f"Content-Length: {LONGEST}", b"", "body_too_large"),
        (f"Content-Length: {LONGEST + 1}", b"", "bad_request"),
        (f"Content-Length: {LONGEST:017d}", b"", "bad_request"),
        (IN_CHUNKS, b"%x\r\n" % LONGEST + bytes(BODY + 1), "body_too_large"),
        (IN_CHUNKS, b"%x\r\n" % (LONGEST + 1) + bytes(BODY + 1), "bad_request"),
    ],
    ids=["counted", "one more", "17 digits", "a chunk", "a chunk of one more"],
)
def test_a_length_that_not_everybody_can_count_is_malformed(
    gateway: Gateway, database: Database, key: str, framing: str, rest: bytes, code: str
) -> None:
    agree(database, gateway.ask(request("POST", SMALL, key, framing) + rest), code)


def test_requests_that_came_early_wait_at_the_client_s(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    """While one runs the next ones are not read: the kernel's buffers are full at some time."""
    gate = Gate(says(EMPTY))
    upstream.on("/held", gate)
    wire = gateway.connect().send(request("GET", "/proxy/echo/held", key))
    assert within(5, lambda: gate.came == 1)
    early = request("GET", "/healthz", "", f"X-Fill: {'x' * 30_000}")

    sent = pours(wire, early)
    gate.opened.set()

    assert sent < KERNEL
    assert {wire.answer().status for _ in range(1 + sent // len(early))} == {200}


def pours(wire: Wire, text: bytes) -> int:
    """Bytes of this text, again and again, until nobody takes more for a second, or at all."""
    sent = 0
    wire.socket.settimeout(1)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while sent < MOST:
            sent += wire.socket.send(text[sent % len(text) :])
    wire.socket.settimeout(20)
    return sent


def test_who_sends_on_after_a_refusal_is_cut_off(gateway: Gateway) -> None:
    wire = gateway.connect().send(request("POST", ECHO, "", "Content-Length: 1000000000"))
    assert wire.answer().status == 401

    assert pours(wire, bytes(1 << 20)) < LINGER + KERNEL
