"""PRX-14: each time-out comes within half a second of its setting; the merely slow have time."""

import socket
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.misbehaving import (
    CHUNKED,
    OK,
    SIZED,
    Full,
    Outcome,
    all_sockets_to,
    ask,
    drips,
    hang,
    outcome,
    row_of,
    says,
    sockets_to,
)
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

SETTING = 0.4  # of the upstream ``quick``: first byte and idle
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


def timed(gateway: Gateway, key: str, path: str, method: str = "GET") -> tuple[Outcome, float]:
    began = time.monotonic()
    got = ask(gateway, key, path, method)
    return got, time.monotonic() - began


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 2", OK, OK + b"X: y\r\n", INTERIM])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_head_in_time_is_504(
    gateway: Gateway, database: Database, key: str, upstream: Server, method: str, said: bytes
) -> None:
    upstream.on("/mute", says(said, hang))

    got, seconds = timed(gateway, key, "/proxy/quick/mute", method)

    assert (got.status, got.code, got.is_whole) == (504, "upstream_timeout", True)
    assert SETTING <= seconds <= SETTING + 0.5
    assert row_of(database, got.request_id)["code"] == "upstream_timeout"
    assert within(1, lambda: all_sockets_to(gateway, upstream) == 0)


def test_an_interim_answer_buys_no_time(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    with database.rows():
        base = f"http://127.0.0.1:{upstream.port}"
        made = make.upstream("hinting", base, first_byte_timeout_ms=400)
    secret = database.key_for("hinted", "hinting")
    upstream.on("/hinting", says(INTERIM + b"HTTP/1.1 102 Processing\r\n\r\n", hang))

    got, seconds = timed(gateway, secret, "/proxy/hinting/hinting")

    assert (got.status, got.code) == (504, "upstream_timeout")
    assert SETTING <= seconds <= SETTING + 0.5
    with database.rows():
        made.delete()


@pytest.mark.parametrize("raw", [OK + b"X: " + b"y" * 60, INTERIM * 3])
def test_a_head_that_drips_buys_no_time(
    gateway: Gateway, key: str, upstream: Server, raw: bytes
) -> None:
    upstream.on("/dripping", drips(raw, 0.05, hang))

    got, seconds = timed(gateway, key, "/proxy/quick/dripping")

    assert (got.status, got.code) == (504, "upstream_timeout")
    assert SETTING <= seconds <= SETTING + 0.5


@pytest.mark.parametrize(
    "said",
    [
        SIZED,
        SIZED + b"abc",
        CHUNKED,
        CHUNKED + b"5\r\nab",
        CHUNKED + b"5\r\nabcde\r\n",
        CHUNKED + b"5\r\nabcde\r\n0\r\nX: ",
        OK + b"\r\nno length",
    ],
)
def test_a_pause_within_the_answer_is_a_cut_in_time(
    gateway: Gateway, database: Database, key: str, upstream: Server, said: bytes
) -> None:
    upstream.on("/pausing", says(said, hang))

    got, seconds = timed(gateway, key, "/proxy/quick/pausing")

    assert (got.status, got.is_whole) == (200, False)
    assert SETTING <= seconds <= SETTING + 0.5
    row = row_of(database, got.request_id)
    assert (row["status"], row["code"]) == (200, "upstream_timeout")
    assert within(1, lambda: all_sockets_to(gateway, upstream) == 0)


def test_the_whole_exchange_has_an_end_however_steady(
    gateway: Gateway, database: Database, key: str, upstream: Server
) -> None:
    upstream.on("/steady", drips(OK + b"Content-Length: 100\r\n\r\n" + b"x" * 100, 0.05))
    upstream.on("/flowing", lambda wire, _: flow(wire))

    for path in ("/proxy/brief/steady", "/proxy/brief/flowing"):
        got, seconds = timed(gateway, key, path)

        assert 0.7 <= seconds <= 1.2
        assert not got.is_whole or got.status == 504
        assert row_of(database, got.request_id)["code"] == "upstream_timeout"


def flow(wire: Wire) -> None:
    wire.send(OK + b"Content-Length: 1000\r\n\r\n")
    for _ in range(60):
        wire.send(b"x")
        time.sleep(0.05)


def test_who_is_slow_but_steady_is_waited_for(gateway: Gateway, key: str, upstream: Server) -> None:
    body = b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"

    def slowly(wire: Wire, _head: bytes) -> None:
        wire.send(OK + body[:30])
        for byte in body[30:]:
            wire.send(bytes([byte]))
            time.sleep(0.1)

    upstream.on("/slowly", slowly)

    got, seconds = timed(gateway, key, "/proxy/quick/slowly")

    assert (got.status, got.body, got.is_whole) == (200, b"abcde", True)
    assert seconds > 2 * SETTING


@pytest.mark.parametrize("framing", ["Content-Length: 12", "Transfer-Encoding: chunked"])
def test_a_slow_but_steady_upload_is_no_pause_of_the_upstreams(
    gateway: Gateway, key: str, framing: str
) -> None:
    wire = gateway.connect().send(request("POST", "/proxy/quick/up", key, framing))
    chunked = framing.startswith("T")
    for _ in range(12):
        wire.send(b"1\r\nx\r\n" if chunked else b"x")
        time.sleep(0.1)
    if chunked:
        wire.send(b"0\r\n\r\n")

    got = outcome(wire)

    assert (got.status, got.is_whole) == (200, True)
    assert got.body.count(b"x\r\n" if chunked else b"x") >= 12


def test_an_upstream_that_does_not_read_is_504_in_time(
    gateway: Gateway, database: Database, key: str, upstream: Server
) -> None:
    """Its time runs from when it took the last of what was sent."""
    upstream.on("/deaf", says(b"", lambda _wire: time.sleep(5)))
    wire = gateway.connect()
    wire.send(request("POST", "/proxy/quick/deaf", key, "Content-Length: 99999999"))
    wire.socket.settimeout(0.2)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.send(b"x" * 99_999_999)
    wire.socket.settimeout(5)

    got = outcome(wire)

    assert (got.status, got.code) == (504, "upstream_timeout")
    assert time.monotonic() - began <= SETTING + 0.2 + 0.5
    assert row_of(database, got.request_id)["code"] == "upstream_timeout"


@pytest.fixture
def full() -> Iterator[Full]:
    made = Full()
    yield made
    made.close()


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """Takes connections and says nothing, not even a TLS hello."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_no_connection_in_time_is_504(
    gateway: Gateway, database: Database, full: Full, mute: socket.socket
) -> None:
    tls = mute.getsockname()[1]
    with database.rows():
        one = make.upstream("full", f"http://127.0.0.1:{full.port}", connect_timeout_ms=400)
        two = make.upstream("mute", f"https://127.0.0.1:{tls}", connect_timeout_ms=400)
    secret = database.key_for("hanging", "full mute")

    for slug, port in (("full", full.port), ("mute", tls)):
        got, seconds = timed(gateway, secret, f"/proxy/{slug}/")

        assert (got.status, got.code) == (504, "upstream_timeout")
        assert SETTING <= seconds <= SETTING + 0.5
        assert row_of(database, got.request_id)["code"] == "upstream_timeout"
        assert within(1, partial(is_free_of, gateway, port))
    with database.rows():
        one.delete()
        two.delete()


def is_free_of(gateway: Gateway, port: int) -> bool:
    return not any(sockets_to(pid, port) for pid in gateway.children())
