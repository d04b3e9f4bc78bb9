"""Which requests become WebSockets and which answers to them are believed."""

import base64
import uuid

import pytest

from tests.gateway.handshake import ASKED, NONCE, accepted, ask
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server


@pytest.fixture
def path() -> str:
    return f"/ws-{uuid.uuid4().hex[:8]}"


def test_an_upstream_that_says_no_is_relayed_and_the_connection_goes_on(
    gateway: Gateway, key: str, upstream: Server, path: str
) -> None:
    refused = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno"
    upstream.on(path, lambda wire, _: wire.send(refused))
    wire = ask(gateway, key, path)
    answer = wire.answer()
    assert (answer.status, answer.body) == (426, b"no")
    assert wire.send(request("GET", "/proxy/echo/x", key)).answer().status == 200


WRONG: dict[str, bytes] = {
    "other nonce": accepted(base64.b64encode(b"fedcba9876543210").decode()),
    "no upgrade": accepted().replace(b"Upgrade: websocket\r\n", b""),
    "another protocol": accepted().replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    "no connection": accepted().replace(b"Connection: Upgrade\r\n", b""),
    "a body": accepted(NONCE, "Content-Length: 5"),
    "chunks": accepted(NONCE, "Transfer-Encoding: chunked"),
    "two accepts": accepted(NONCE, "Sec-WebSocket-Accept: x"),
}


@pytest.mark.parametrize("answer", WRONG)
def test_a_wrong_handshake_of_the_upstream_is_502(
    gateway: Gateway, key: str, upstream: Server, path: str, answer: str
) -> None:
    upstream.on(path, lambda wire, _: wire.send(WRONG[answer]).is_closed_within(5))
    found = ask(gateway, key, path).answer()
    assert found.status == 502
    assert b"upstream_failed" in found.body


def without(name: str) -> tuple[str, ...]:
    return tuple(line for line in ASKED if not line.startswith(name))


NO_UPGRADE: dict[str, tuple[str, tuple[str, ...]]] = {
    "not nominated": ("GET", (*without("Connection"), "Connection: keep-alive")),
    "no protocol": ("GET", without("Upgrade")),
    "another protocol": ("GET", (*without("Upgrade"), "Upgrade: h2c")),
    "two protocols": ("GET", (*ASKED, "Upgrade: h2c")),
    "another version": ("GET", (*without("Sec-WebSocket-Version"), "Sec-WebSocket-Version: 8")),
    "no nonce": ("GET", without("Sec-WebSocket-Key")),
    "a bad nonce": ("GET", (*without("Sec-WebSocket-Key"), "Sec-WebSocket-Key: aGVsbG8=")),
    "two nonces": ("GET", (*ASKED, f"Sec-WebSocket-Key: {NONCE}")),
    "a post": ("POST", (*ASKED, "Content-Length: 0")),
    "a body": ("GET", (*ASKED, "Content-Length: 5")),
}


@pytest.mark.parametrize("shape", NO_UPGRADE)
def test_what_is_no_handshake_is_an_ordinary_request(
    gateway: Gateway, key: str, shape: str
) -> None:
    method, lines = NO_UPGRADE[shape]
    wire = gateway.connect().send(request(method, "/proxy/echo/told", key, *lines))
    if shape == "a body":
        wire.send(b"GET /")
    answer = wire.answer()
    assert answer.status == 200
    told = answer.body.partition(b"\r\n\r\n")[0].lower()
    assert b"upgrade:" not in told
    assert b"connection:" not in told
    assert wire.send(request("GET", "/proxy/echo/x", key)).answer().status == 200


def test_a_switch_nobody_asked_for_is_502(
    gateway: Gateway, key: str, upstream: Server, path: str
) -> None:
    upstream.on(path, lambda wire, _: wire.send(accepted("")))
    wire = gateway.connect().send(request("GET", f"/proxy/echo{path}", key))
    assert wire.answer().status == 502


def test_django_is_never_asked_to_switch(gateway: Gateway, key: str) -> None:
    answer = gateway.connect().send(request("GET", "/api/v1/told", key, *ASKED)).answer()
    assert b"\r\nupgrade:" not in answer.body.lower()
