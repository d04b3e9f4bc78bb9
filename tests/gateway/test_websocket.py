"""PRX-17: WebSockets pass with the gate's yes, byte for byte, are counted, and end with the key."""

import hashlib
import os
import time
import uuid
from collections.abc import Callable

import pytest

from apikeys.services.keys import revoke_key
from momentry.common.fence.wait import wait
from tests.gateway.books import books
from tests.gateway.conftest import Database, Start
from tests.gateway.handshake import ASKED, CLOSE, NONCE, accepted, ask, frame, opened
from tests.gateway.limited import limited, subject_of
from tests.gateway.processes import Gateway, request
from tests.gateway.test_revocation import row
from tests.gateway.wire import Server, Wire, within


def echo(wire: Wire, _head: bytes) -> None:
    """Every byte comes back; a Close frame ends it."""
    wire.send(accepted())
    seen = b""
    while wire.held or wire.more():
        data = wire.take(len(wire.held))
        seen += data
        wire.send(data)
        if seen.endswith(CLOSE):
            break
    wire.close()


@pytest.fixture
def path(upstream: Server) -> str:
    made = f"/ws-{uuid.uuid4().hex[:8]}"
    upstream.on(made, echo)
    return made


def test_the_handshake_passes_without_the_key_and_frames_pass_untouched(
    gateway: Gateway, key: str, upstream: Server, path: str
) -> None:
    wire = ask(
        gateway,
        key,
        f"{path}?room=1",
        *ASKED,
        "Sec-WebSocket-Protocol: chat",
        "Origin: http://example.org",
    )

    answer = wire.head()

    assert answer.status == 101
    assert answer.field("upgrade") == "websocket"
    assert answer.field("connection") == "Upgrade"
    assert answer.field("content-length") == answer.field("transfer-encoding") == ""
    data = b"".join(frame(os.urandom(size), mask=b"abcd") for size in (0, 5, 126, 70_000))
    assert wire.send(data).exactly(len(data)) == data
    (head,) = upstream.heads_of(f"{path}?room=1")
    assert key.encode() not in head
    lowered = head.lower()
    assert b"\r\nconnection: upgrade\r\nupgrade: websocket\r\n" in lowered
    assert f"\r\nsec-websocket-key: {NONCE}\r\n".lower().encode() in lowered
    assert b"\r\nsec-websocket-protocol: chat\r\n" in lowered
    assert wire.send(CLOSE).rest() == CLOSE


def test_what_is_sent_before_the_answer_arrives_too(
    gateway: Gateway, key: str, upstream: Server, path: str
) -> None:
    def late(wire: Wire, head: bytes) -> None:
        time.sleep(0.4)
        echo(wire, head)

    upstream.on(path, late)
    early = frame(b"early", mask=b"abcd")
    call = request("GET", f"/proxy/echo{path}", key, *ASKED)
    wire = gateway.connect().send(call + early)
    time.sleep(0.1)  # a segment of its own
    wire.send(early)
    assert wire.head().status == 101
    assert wire.exactly(2 * len(early)) == 2 * early
    assert wire.send(early).exactly(len(early)) == early


def test_what_the_upstream_sends_with_its_head_arrives(
    gateway: Gateway, key: str, upstream: Server, path: str
) -> None:
    hello = frame(b"hello")
    upstream.on(path, lambda wire, _: wire.send(accepted() + hello).is_closed_within(5))
    wire = opened(gateway, key, path)
    assert wire.exactly(len(hello)) == hello


def test_without_a_right_there_is_no_tunnel(gateway: Gateway, path: str, upstream: Server) -> None:
    for secret in ("", "muser_wrong"):
        assert ask(gateway, secret, path).answer().status == 401
    assert upstream.heads_of(path) == []


def test_its_row_has_status_bytes_and_its_whole_time(
    gateway: Gateway, key: str, database: Database, path: str
) -> None:
    wire = opened(gateway, key, path)
    data = frame(b"x" * 1000, mask=b"abcd")
    wire.send(data).exactly(len(data))
    time.sleep(0.3)
    wire.send(CLOSE).rest()

    query = (
        "SELECT status, code, bytes_in, bytes_out, total_ms >= 300 FROM apikeys_requestlog"
        " WHERE path = %s"
    )
    passed = len(data) + len(CLOSE)
    expected = [(101, "", passed, passed, True)]
    assert within(3, lambda: database.fetch(query, f"/proxy/echo{path}") == expected)


@pytest.mark.parametrize(("said", "detail"), [(CLOSE, ""), (frame(b"bye"), "The client left.")])
def test_a_client_that_leaves_after_the_upstreams_close_has_not_broken_off(
    gateway: Gateway,
    key: str,
    database: Database,
    upstream: Server,
    path: str,
    said: bytes,
    detail: str,
) -> None:
    upstream.on(path, lambda wire, _: wire.send(accepted() + said).is_closed_within(5))
    wire = opened(gateway, key, path)
    assert wire.exactly(len(said)) == said
    wire.close()

    query = "SELECT status, error_detail FROM apikeys_requestlog WHERE path = %s"
    expected = [(101, detail)]
    assert within(3, lambda: database.fetch(query, f"/proxy/echo{path}") == expected)


def leave(wire: Wire) -> None:
    wire.close()


def say_close(wire: Wire) -> None:
    wire.send(CLOSE).rest()


@pytest.mark.parametrize("end", [leave, say_close])
def test_it_holds_its_slot_until_it_ends(
    gateway: Gateway, database: Database, path: str, upstream: Server, end: Callable[[Wire], None]
) -> None:
    secret = limited(database, concurrent_requests=1, requests_per_month=10)
    before = upstream.open
    wire = opened(gateway, secret, path)
    assert gateway.get("/proxy/echo/x", secret).status == 429

    end(wire)

    assert within(1, lambda: gateway.get("/proxy/echo/x", secret).status == 200)
    assert within(1, lambda: upstream.open <= before + 1)
    assert books(database, subject_of(database, secret))["requests per month"] >= 2


def test_a_revoked_key_ends_it_with_1008_between_two_frames(
    start: Start, database: Database, seeded: str, path: str
) -> None:
    secret = database.key_for(f"w{uuid.uuid4().hex[:8]}", "echo")
    gateway = start(1).wait_until_ready()
    idle, busy = (opened(gateway, secret, path) for _ in range(2))
    part = frame(b"y" * 100)[:50]
    assert busy.send(part).exactly(50) == part

    with database.rows():
        revoke_key(row(secret), actor="test")
        wait()

    began = time.monotonic()
    assert idle.rest() == frame(b"\x03\xf0key_revoked", opcode=8)
    assert busy.rest() == b""  # in the middle of a frame nothing of ours can stand
    assert time.monotonic() - began < 1


def test_an_upstream_that_goes_away_is_seen(
    gateway: Gateway, key: str, upstream: Server, path: str
) -> None:
    upstream.on(path, lambda wire, _: wire.send(accepted() + b"\x82\x05he").close())
    wire = opened(gateway, key, path)
    assert wire.rest() == b"\x82\x05he"


def test_one_that_stands_still_ends_after_the_idle_time(
    gateway: Gateway, key: str, upstream: Server, path: str
) -> None:
    call = request("GET", f"/proxy/quick{path}", key, *ASKED)
    wire = gateway.connect().send(call)
    assert wire.head().status == 101
    ping = frame(b"", opcode=9, mask=b"abcd")
    for _ in range(5):
        time.sleep(0.2)
        assert wire.send(ping).exactly(len(ping)) == ping
    began = time.monotonic()
    assert wire.rest() == frame(b"\x03\xe9upstream_timeout", opcode=8)
    assert 0.3 < time.monotonic() - began < 1.2


def test_one_that_only_listens_upstream_is_not_idle_while_its_client_speaks(
    gateway: Gateway, key: str, upstream: Server, path: str
) -> None:
    upstream.on(path, lambda wire, _: wire.send(accepted()).is_closed_within(5))
    wire = gateway.connect().send(request("GET", f"/proxy/quick{path}", key, *ASKED))
    assert wire.head().status == 101
    for _ in range(5):
        time.sleep(0.2)
        wire.send(frame(b"told", mask=b"abcd"))
    assert not wire.is_closed_within(0.1)


def test_a_total_time_ends_no_tunnel(gateway: Gateway, key: str, path: str) -> None:
    wire = gateway.connect().send(request("GET", f"/proxy/brief{path}", key, *ASKED))
    assert wire.head().status == 101
    time.sleep(1.2)
    assert wire.send(CLOSE).rest() == CLOSE


def test_a_restart_says_1012(start: Start, seeded: str, path: str) -> None:
    gateway = start(1, DRAIN_SECONDS="1").wait_until_ready()
    wire = opened(gateway, seeded, path)
    gateway.process.terminate()
    assert wire.rest() == frame(b"\x03\xf4overloaded", opcode=8)


def test_a_reader_that_is_slow_slows_the_sender_and_loses_nothing(
    gateway: Gateway, key: str, upstream: Server, path: str
) -> None:
    size, sent = 64 << 20, []
    data = frame(os.urandom(size))

    def pour(wire: Wire, _head: bytes) -> None:
        wire.send(accepted())
        for at in range(0, len(data), 65_536):
            wire.send(data[at : at + 65_536])
            sent.append(at)
        wire.close()

    upstream.on(path, pour)
    wire = opened(gateway, key, path)
    time.sleep(0.5)
    assert sent[-1] < size // 2  # it waits for us
    whole = hashlib.sha256(wire.take(len(wire.held)))
    while len(wire.held) == 0 and (piece := wire.socket.recv(1 << 20)):
        whole.update(piece)
    assert whole.digest() == hashlib.sha256(data).digest()
