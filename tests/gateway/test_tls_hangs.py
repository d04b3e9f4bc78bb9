"""PRX-14 over TLS: each time-out comes within half a second of its setting, and what is no record
ends an answer where it stands."""

import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import make
from tests.gateway.certificates import sign
from tests.gateway.conftest import Database
from tests.gateway.misbehaving import (
    CHUNKED,
    OK,
    SIZED,
    Outcome,
    all_sockets_to,
    ask,
    drips,
    hang,
    row_of,
    says,
)
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server, Wire, tcp_server, within

pytestmark = pytest.mark.slow

SETTING = 0.4
TOTAL = 0.7
TIMES = {"connect_timeout_ms": 400, "first_byte_timeout_ms": 400, "idle_timeout_ms": 400}
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


def context_of(directory: Path, name: str = "localhost") -> ssl.SSLContext:
    signed = sign(name)
    file = directory / "hangs.pem"
    file.write_bytes(signed.secret_pem() + signed.pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.fixture(scope="module")
def secured(directory: Path) -> Iterator[Server]:
    server = tcp_server(context_of(directory))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def secret(database: Database, secured: Server) -> Iterator[str]:
    base = f"https://localhost:{secured.port}"
    with database.rows():
        made = [
            make.upstream("tls-quick", base, tls_verify=False, **TIMES),
            make.upstream("tls-brief", base, tls_verify=False, total_timeout_ms=700),
        ]
    yield database.key_for("tls-hangs", "tls-quick tls-brief")
    with database.rows():
        for each in made:
            each.delete()


def timed(gateway: Gateway, key: str, path: str, method: str = "GET") -> tuple[Outcome, float]:
    began = time.monotonic()
    fields = ["Content-Length: 0"] if method == "POST" else []
    got = ask(gateway, key, path, method, *fields)
    return got, time.monotonic() - began


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 2", OK + b"X: y\r\n", INTERIM])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_head_in_time_is_504(
    gateway: Gateway, database: Database, secret: str, secured: Server, method: str, said: bytes
) -> None:
    secured.on("/mute", says(said, hang))

    got, seconds = timed(gateway, secret, "/proxy/tls-quick/mute", method)

    assert (got.status, got.code, got.is_whole) == (504, "upstream_timeout", True)
    assert SETTING <= seconds <= SETTING + 0.5
    logged = row_of(database, got.request_id)
    assert (logged["status"], logged["code"]) == (504, "upstream_timeout")
    assert within(1, lambda: all_sockets_to(gateway, secured) == 0)


@pytest.mark.parametrize(
    "said",
    [SIZED, SIZED + b"abc", CHUNKED + b"5\r\nabcde\r\n0\r\nX: ", OK + b"\r\nno length"],
)
def test_a_pause_within_the_answer_is_a_cut_in_time(
    gateway: Gateway, database: Database, secret: str, secured: Server, said: bytes
) -> None:
    secured.on("/pausing", says(said, hang))

    got, seconds = timed(gateway, secret, "/proxy/tls-quick/pausing")

    assert (got.status, got.is_whole) == (200, False)
    assert SETTING <= seconds <= SETTING + 0.5
    logged = row_of(database, got.request_id)
    assert (logged["status"], logged["code"]) == (200, "upstream_timeout")
    assert within(1, lambda: all_sockets_to(gateway, secured) == 0)


def test_the_whole_exchange_has_an_end_however_steady(
    gateway: Gateway, database: Database, secret: str, secured: Server
) -> None:
    secured.on("/head", drips(OK + b"Content-Length: 100\r\n\r\n" + b"x" * 100, 0.05))
    secured.on("/body", lambda wire, _: steadily(wire))

    for path, status in (("head", 504), ("body", 200)):
        got, seconds = timed(gateway, secret, f"/proxy/tls-brief/{path}")

        assert TOTAL <= seconds <= TOTAL + 0.5
        assert (got.status, got.is_whole) == (status, status == 504)
        assert row_of(database, got.request_id)["code"] == "upstream_timeout"


def steadily(wire: Wire) -> None:
    wire.send(OK + b"Content-Length: 1000\r\n\r\n")
    for _ in range(60):
        wire.send(b"x")
        time.sleep(0.05)


def underneath(wire: Wire, data: bytes) -> None:
    """Past TLS, onto the wire."""
    assert isinstance(wire.socket, ssl.SSLSocket)
    os.write(wire.socket.fileno(), data)


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 200 OK\r\n\r\n", b"\x17\x03\x03\x00\x20" + bytes(32)]
)
@pytest.mark.parametrize("said", [b"", OK, SIZED + b"abc", CHUNKED, OK + b"\r\nno length"])
def test_what_is_no_record_is_no_part_of_an_answer(
    gateway: Gateway,
    database: Database,
    secret: str,
    secured: Server,
    said: bytes,
    garbage: bytes,
) -> None:
    """What came before it is true; after it nothing can be."""

    def spoil(wire: Wire, _head: bytes) -> None:
        if said:
            wire.send(said)
            time.sleep(0.03)
        underneath(wire, garbage)
        hang(wire)

    secured.on("/spoilt", spoil)

    got, seconds = timed(gateway, secret, "/proxy/tls-brief/spoilt")

    has_head = said.endswith(b"\r\n\r\n") or b"\r\n\r\n" in said
    assert (got.status, got.is_whole) == ((200, False) if has_head else (502, True))
    assert seconds < SETTING
    logged = row_of(database, got.request_id)
    assert (logged["status"], logged["code"]) == (got.status, "upstream_failed")
    assert within(1, lambda: all_sockets_to(gateway, secured) == 0)
