"""PRX-14 over TLS: a handshake that comes to nothing is 502, or 504 within half a second of the
setting, and nothing was sent."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.misbehaving import Full, hang, reset, row_of, sockets_to
from tests.gateway.processes import Gateway
from tests.gateway.test_tls_hangs import SETTING, context_of, timed
from tests.gateway.wire import Cut, Wire, within

pytestmark = pytest.mark.slow


class Rough:
    """A server that gets as far in the handshake as ``part`` says, and then does that."""

    def __init__(self, directory: Path, then: Callable[[Wire, Callable[[], bytes]], None]) -> None:
        self.context = context_of(directory)
        self.then = then
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire = Wire(self.listener.accept()[0])
                with contextlib.suppress(Cut, OSError):
                    self.then(wire, lambda: self.flight(wire))  # noqa: B023  called at once
                wire.close()

    def flight(self, wire: Wire) -> bytes:
        """What a server says to this ClientHello."""
        wire.more()
        hello, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello.write(wire.take(len(wire.held)))
        with contextlib.suppress(ssl.SSLWantReadError):
            self.context.wrap_bio(hello, said, server_side=True).do_handshake()
        return said.read()

    def stop(self) -> None:
        self.listener.close()


def silent(wire: Wire, _flight: Callable[[], bytes]) -> None:
    hang(wire)


def in_its_hello(wire: Wire, flight: Callable[[], bytes]) -> None:
    wire.send(flight()[:50])
    hang(wire)


def in_its_certificate(wire: Wire, flight: Callable[[], bytes]) -> None:
    wire.send(flight()[:-100])
    hang(wire)


def drop_by_drop(wire: Wire, flight: Callable[[], bytes]) -> None:
    """Each byte soon enough, all of them too late."""
    for byte in flight():
        wire.send(bytes((byte,)))
        time.sleep(0.05)


def no_tls(wire: Wire, _flight: Callable[[], bytes]) -> None:
    wire.more()
    wire.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    hang(wire)


def noise(wire: Wire, _flight: Callable[[], bytes]) -> None:
    wire.more()
    wire.send(bytes(range(256)) * 8)
    hang(wire)


def alert(wire: Wire, _flight: Callable[[], bytes]) -> None:
    wire.more()
    wire.send(b"\x15\x03\x03\x00\x02\x02\x28")  # fatal, handshake_failure
    hang(wire)


def cut_in_half(wire: Wire, flight: Callable[[], bytes]) -> None:
    wire.send(flight()[:200])
    raise Cut("as told")


def reset_in_half(wire: Wire, flight: Callable[[], bytes]) -> None:
    wire.send(flight()[:200])
    reset(wire)


LATE, BROKEN = (504, "upstream_timeout"), (502, "upstream_unreachable")
HANDSHAKES = {
    silent: LATE,
    in_its_hello: LATE,
    in_its_certificate: LATE,
    drop_by_drop: LATE,
    no_tls: BROKEN,
    noise: BROKEN,
    alert: BROKEN,
    cut_in_half: BROKEN,
    reset_in_half: BROKEN,
}


@pytest.mark.parametrize("then", HANDSHAKES, ids=lambda then: then.__name__)
def test_a_handshake_that_comes_to_nothing(
    gateway: Gateway, database: Database, directory: Path, then: Callable[..., None]
) -> None:
    rough = Rough(directory, then)
    slug = f"tls-{then.__name__}".replace("_", "-")
    with database.rows():
        base = f"https://localhost:{rough.port}"
        made = make.upstream(slug, base, tls_verify=False, connect_timeout_ms=400)
    key = database.key_for(slug, slug)

    got, seconds = timed(gateway, key, f"/proxy/{slug}/", "POST")

    assert (got.status, got.code) == HANDSHAKES[then]
    if HANDSHAKES[then] == LATE:
        assert SETTING <= seconds <= SETTING + 0.5
    else:
        assert seconds < SETTING
    logged = row_of(database, got.request_id)
    assert (logged["status"], logged["code"]) == HANDSHAKES[then]
    assert within(1, lambda: is_free_of(gateway, rough.port))
    rough.stop()
    with database.rows():
        made.delete()


def test_no_connection_in_time_is_504(gateway: Gateway, database: Database) -> None:
    full = Full()
    with database.rows():
        base = f"https://127.0.0.1:{full.port}"
        made = make.upstream("tls-full", base, connect_timeout_ms=400)
    key = database.key_for("tls-full", "tls-full")

    got, seconds = timed(gateway, key, "/proxy/tls-full/")

    assert (got.status, got.code) == LATE
    assert SETTING <= seconds <= SETTING + 0.5
    assert row_of(database, got.request_id)["code"] == "upstream_timeout"
    assert within(1, lambda: is_free_of(gateway, full.port))
    full.close()
    with database.rows():
        made.delete()


def is_free_of(gateway: Gateway, port: int) -> bool:
    return not any(sockets_to(pid, port) for pid in gateway.children())
