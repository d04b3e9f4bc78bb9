"""PRX-13, PRX-18: kept connections that died, and clients that leave."""

import time
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut, Server, Wire, within

pytestmark = pytest.mark.slow

OK = b"HTTP/1.1 200 OK\r\n"


def test_a_kept_connection_that_died_is_replaced_for_a_get(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    asked: list[bytes] = []

    def die_when_reused(wire: Wire, head: bytes) -> None:
        asked.append(head)
        wire.send(OK + b"Content-Length: 0\r\n\r\n")
        wire.until(b"\r\n\r\n")  # the next request on this connection meets its end
        asked.append(b"reused")
        raise Cut

    upstream.on("/dying", die_when_reused)
    wire = gateway.connect()
    statuses = [
        wire.send(request("GET", "/proxy/based/x", key)).answer().status,
        *[wire.send(request("GET", "/proxy/echo/dying", key)).answer().status for _ in range(4)],
    ]

    assert statuses == [200] * 5
    assert b"reused" in asked


def test_a_post_is_never_sent_twice(gateway: Gateway, key: str, upstream: Server) -> None:
    bodies: list[bytes] = []

    def die_when_reused(wire: Wire, _head: bytes) -> None:
        wire.send(OK + b"Content-Length: 0\r\n\r\n")
        bodies.append(wire.until(b"twice?"))
        raise Cut

    upstream.on("/postdying", die_when_reused)
    wire = gateway.connect()
    wire.send(request("GET", "/proxy/echo/postdying", key)).answer()

    answer = wire.send(request("POST", "/proxy/echo/postdying", key, body=b"twice?")).answer()

    assert len(bodies) == 1
    assert answer.status in {200, 502}


def test_a_client_that_leaves_frees_the_upstream(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    freed: list[float] = []

    def wait(wire: Wire, _head: bytes) -> None:
        wire.send(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        wire.is_closed_within(5)
        freed.append(time.monotonic())
        raise Cut

    upstream.on("/wait", wait)
    wire = gateway.connect().send(request("GET", "/proxy/echo/wait", key))
    wire.head()
    wire.close()
    left = time.monotonic()

    assert within(2, lambda: bool(freed))
    assert freed[0] - left < 1


def test_a_client_that_leaves_in_its_upload_frees_the_upstream(
    start: Start, key: str, upstream: Server
) -> None:
    # Of its own: on a connection kept from another test a POST may meet the server's close (502).
    gateway = start().wait_until_ready()
    freed: list[float] = []

    def stuck(wire: Wire, _head: bytes) -> None:
        """Reads nothing until the gateway must have stopped reading the client."""
        time.sleep(1.2)
        wire.is_closed_within(3)
        freed.append(time.monotonic())
        raise Cut

    upstream.on("/stuck", stuck)
    wire = gateway.connect()
    wire.send(request("POST", "/proxy/echo/stuck", key, "Content-Length: 99999999"))
    wire.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        wire.send(b"x" * 99_999_999)
    wire.close()

    assert within(3, lambda: bool(freed))


def test_clients_that_leave_leave_nothing_behind(start: Start, key: str, upstream: Server) -> None:
    def wait(wire: Wire, _head: bytes) -> None:
        wire.is_closed_within(5)
        raise Cut

    upstream.on("/forsaken", wait)
    gateway = start().wait_until_ready()
    (pid,) = gateway.children()
    before = descriptors(pid)
    for _ in range(40):
        gateway.connect().send(request("GET", "/proxy/echo/forsaken", key))
        gateway.connect().send(request("POST", "/proxy/echo/", key, "Content-Length: 9") + b"abc")
        gateway.connect().send(b"GET / HTT")
    assert within(3, lambda: len(upstream.heads_of("/forsaken")) == 40)

    gateway.close_wires()

    pool = 10 + 4  # connections to the database and to Valkey that the demand has made
    assert within(2, lambda: descriptors(pid) <= before + pool), descriptors(pid) - before


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
