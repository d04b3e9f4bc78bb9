"""RES-01: nobody takes a process's memory. Of its places: test_places."""

import contextlib
import time

from tests.gateway.conftest import Start
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire, within

PIECE = bytes(1 << 20)


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
