"""RES-01: a full process refuses with 503 and goes on; nobody takes its memory."""

import contextlib
import time

from tests.gateway.conftest import Start
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire, within

PIECE = bytes(1 << 20)


def test_a_connection_too_many_is_told_and_the_others_go_on(start: Start, seeded: str) -> None:
    gateway = start(1, GATEWAY_MAX_CONNECTIONS="20").wait_until_ready()
    call = request("GET", "/proxy/echo/x", seeded)
    wires = [gateway.connect() for _ in range(20)]
    assert {wire.send(call).answer().status for wire in wires} == {200}

    one_more = gateway.connect()
    refused = one_more.answer()

    assert (refused.status, refused.field("connection")) == (503, "close")
    assert b'"overloaded"' in refused.body
    assert int(refused.field("retry-after")) >= 1
    assert {wire.send(call).answer().status for wire in wires} == {200}
    one_more.close()
    wires.pop().close()
    assert within(2, lambda: status(gateway, call) == 200)


def status(gateway: Gateway, call: bytes) -> int:
    wire = gateway.connect()
    try:
        return wire.send(call).answer().status
    finally:
        wire.close()


def pour(wire: Wire, _head: bytes) -> None:
    """More than anybody takes."""
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            wire.send(PIECE)


def test_what_slow_clients_leave_lying_is_bounded(
    start: Start, seeded: str, upstream: Server
) -> None:
    upstream.on("/pour", pour)
    gateway = start(1, GATEWAY_MAX_BUFFERED_MIB="1").wait_until_ready()
    call = request("GET", "/proxy/echo/x", seeded)
    slow: list[Wire] = []
    while status(gateway, call) == 200:
        assert len(slow) < 60
        slow.append(gateway.connect().send(request("GET", "/proxy/echo/pour", seeded)))
        time.sleep(0.3)
    assert len(slow) > 2

    assert status(gateway, call) == 503
    assert gateway.get("/healthz").status == 200
    for wire in slow:
        wire.close()
    assert within(2, lambda: status(gateway, call) == 200)
