"""RES-01: an upstream's answers have a largest size where staff set one; more is 502 or a cut."""

from collections.abc import Iterator

import pytest

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.misbehaving import CHUNKED, OK, ask, close, row_of, says
from tests.gateway.processes import Gateway
from tests.gateway.wire import Cut, Server, Wire

pytestmark = pytest.mark.slow

LARGEST = 10
DETAIL = "The upstream's answer is larger than it may be."
TEN = b"0123456789"


@pytest.fixture(scope="module")
def key(database: Database, upstream: Server) -> Iterator[str]:
    base = f"http://127.0.0.1:{upstream.port}"
    with database.rows():
        made = make.upstream("terse", base, max_response_bytes=LARGEST)
    yield database.key_for("terse", "terse echo")
    with database.rows():
        made.delete()


@pytest.mark.parametrize("size", [LARGEST + 1, 10**12])
def test_a_length_beyond_it_is_502_before_a_byte_is_sent(
    gateway: Gateway, database: Database, key: str, upstream: Server, size: int
) -> None:
    upstream.on("/long", says(OK + b"Content-Length: %d\r\n\r\n" % size + b"x" * 50))

    got = ask(gateway, key, "/proxy/terse/long")

    assert (got.status, got.code, got.is_whole) == (502, "upstream_failed", True)
    assert DETAIL.encode() in got.body
    row = row_of(database, got.request_id)
    assert (row["status"], row["code"], row["error_detail"]) == (502, "upstream_failed", DETAIL)


@pytest.mark.parametrize(
    "raw",
    [
        CHUNKED + b"a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n",
        CHUNKED + b"b\r\n0123456789x\r\n0\r\n\r\n",
        CHUNKED + b"5\r\n01234\r\n5\r\n56789\r\n1\r\nx\r\n",
        OK + b"\r\n0123456789x",
    ],
)
def test_more_without_a_length_is_a_cut_that_shows(
    gateway: Gateway, database: Database, key: str, upstream: Server, raw: bytes
) -> None:
    upstream.on("/more", says(raw, close))

    got = ask(gateway, key, "/proxy/terse/more")

    assert (got.status, got.is_whole) == (200, False)
    row = row_of(database, got.request_id)
    assert (row["status"], row["code"], row["error_detail"]) == (200, "upstream_failed", DETAIL)


def test_an_http_1_0_client_sees_the_cut_as_a_reset(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    upstream.on("/old", says(OK + b"\r\n0123456789x", close))
    wire = gateway.connect()
    wire.send(f"GET /proxy/terse/old HTTP/1.0\r\nX-API-Key: {key}\r\n\r\n".encode())

    with pytest.raises(Cut, match="reset"):
        wire.rest()


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"Content-Length: 10\r\n\r\n" + TEN,
        CHUNKED + b"5\r\n01234\r\n5\r\n56789\r\n0\r\nX-Sum: not counted\r\n\r\n",
        OK + b"\r\n" + TEN,
    ],
)
def test_as_much_as_it_may_passes(gateway: Gateway, key: str, upstream: Server, raw: bytes) -> None:
    upstream.on("/enough", says(raw, close))

    got = ask(gateway, key, "/proxy/terse/enough")

    assert (got.status, got.body, got.is_whole) == (200, TEN, True)


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("HEAD", OK + b"Content-Length: 99\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
    ],
)
def test_a_length_of_what_is_not_sent_is_no_length(
    gateway: Gateway, key: str, upstream: Server, method: str, raw: bytes
) -> None:
    upstream.on("/none", says(raw))

    assert ask(gateway, key, "/proxy/terse/none", method).status in {200, 304}


def test_where_none_is_set_everything_passes(gateway: Gateway, key: str, upstream: Server) -> None:
    def much(wire: Wire, _head: bytes) -> None:
        wire.send(OK + b"Content-Length: 5000000\r\n\r\n" + b"x" * 5_000_000)

    upstream.on("/much", much)

    assert len(ask(gateway, key, "/proxy/echo/much").body) == 5_000_000
