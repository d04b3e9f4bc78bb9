"""SMG-08: what follows a chunked answer never becomes a field of it, nor of the next one."""

import pytest

from tests.gateway.misbehaving import CHUNKED
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire, with_trailers

TRAILERS = (
    b"X-Sum: 7\r\nServer-Timing: db;dur=1\r\nx-sum: 8\r\n"
    # What means something in a head means nothing here, whoever says it.
    b"Content-Length: 0\r\nTransfer-Encoding: identity\r\nTrailer: X\r\nConnection: close\r\n"
    b"Set-Cookie: a=1\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nHost: evil\r\n"
    b"Cache-Control: no-store\r\nWWW-Authenticate: Basic\r\nAuthorization: Basic eDp5\r\n"
    b"X-Momentry-User-Id: 1\r\nX_Momentry_Key_Id: 1\r\nX-Request-ID: theirs\r\n"
    b"X-Upstream-Request-ID: theirs\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Range: bytes 0-1/2\r\n"
)
PASSED = b"x-sum: 7\r\nserver-timing: db;dur=1\r\nx-sum: 8\r\n"
RAW = CHUNKED.replace(b"\r\n\r\n", b"\r\nTrailer: X-Sum\r\n\r\n")
NAMES = (b"x-sum", b"server-timing", b"set-cookie", b"gzip", b"evil", b"theirs", b"trailer:")


def pieces(raw: bytes, size: int) -> list[bytes]:
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def answer_with(server: Server, path: str, trailers: bytes, *, at_once: bool) -> None:
    raw = RAW + b"5\r\nabcde\r\n0\r\n" + trailers + b"\r\n"

    def script(wire: Wire, _head: bytes) -> None:
        for piece in [raw] if at_once else pieces(raw, 7):
            wire.send(piece)

    server.on(path, script)


@pytest.mark.parametrize("at_once", [True, False])
def test_they_follow_the_body_and_nothing_else(
    gateway: Gateway, key: str, upstream: Server, at_once: bool
) -> None:
    answer_with(upstream, "/trailing", TRAILERS, at_once=at_once)
    wire = gateway.connect()
    for _ in range(2):  # the second one on the upstream's kept connection
        head, raw = wire.send(request("GET", "/proxy/echo/trailing", key)).message()

        lowered = head.lower()
        assert not [name for name in NAMES if name in lowered]
        assert b"transfer-encoding: chunked\r\n" in lowered
        assert b"connection:" not in lowered
        body, trailers = with_trailers(raw)
        assert body == b"abcde"
        assert trailers.lower() == PASSED + b"\r\n"

    again = wire.send(request("GET", "/proxy/echo/x", key)).answer()
    assert (again.status, again.field("x-sum")) == (200, "")


def test_a_client_of_http_1_0_gets_the_body_alone(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    answer_with(upstream, "/trailing-10", TRAILERS, at_once=True)
    wire = gateway.connect()
    wire.send(f"GET /proxy/echo/trailing-10 HTTP/1.0\r\nX-API-Key: {key}\r\n\r\n".encode())

    head, _, body = wire.rest().partition(b"\r\n\r\n")

    assert body == b"abcde"
    assert not [name for name in NAMES if name in head.lower()]


def test_djangos_are_shown_in_the_same_way(gateway: Gateway, django: Server) -> None:
    answer_with(django, "/trailing-django", TRAILERS, at_once=False)

    head, raw = gateway.connect().send(request("GET", "/trailing-django")).message()

    assert not [name for name in NAMES if name in head.lower()]
    assert with_trailers(raw)[1].lower() == PASSED + b"\r\n"
