"""PRX-17: the last words of the gateway to who has a WebSocket (docs/gateway.md), and its row."""

import re
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.gateway.tunnel import CLOSE_CODES, POLICY_VIOLATION, Tunnel
from tests.gateway.conftest import Database, Start
from tests.gateway.handshake import ASKED, accepted, frame
from tests.gateway.misbehaving import row_of
from tests.gateway.processes import Gateway, request
from tests.gateway.talks import goes_on, member_key, request_id, talk, talking, told
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

CODE = re.compile(r"^\| (1\d\d\d) \| (.+?) \|", re.MULTILINE)
PIECE = frame(b"x" * 16_000)


@pytest.fixture(scope="module")
def gateway(start_once: Start, seeded: str) -> Gateway:
    return start_once(2).wait_until_ready()


@pytest.fixture(scope="module")
def slug(database: Database) -> Iterator[str]:
    with talking(database, "words") as slug:
        yield slug


@pytest.fixture(scope="module")
def hasty(database: Database) -> Iterator[str]:
    with talking(database, "hasty", idle_timeout_ms=400) as slug:
        yield slug


def is_logged(database: Database, identity: str, code: str) -> bool:
    logged = row_of(database, identity)
    return (logged["status"], logged["code"]) == (101, code)


def test_nothing_moves(gateway: Gateway, database: Database, hasty: str) -> None:
    with talk(gateway, member_key(database, hasty), hasty) as talking_to:
        assert goes_on(talking_to)
        began = time.monotonic()
        assert told(talking_to, 2) == (1001, "upstream_timeout")
        assert 0.3 <= time.monotonic() - began <= 0.4 + 0.5
    assert is_logged(database, request_id(talking_to), "upstream_timeout")


def pour(wire: Wire, _head: bytes) -> None:
    """Frame after frame, each when the one before was taken: the gateway reads none in parts."""
    wire.send(accepted())
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        wire.send(PIECE)
        time.sleep(0.005)


def test_the_client_does_not_read(
    gateway: Gateway, database: Database, key: str, upstream: Server
) -> None:
    path = f"/ws-{uuid.uuid4().hex[:8]}"
    upstream.on(path, pour)
    before = upstream.open
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", gateway.port))
    wire = Wire(small).send(request("GET", f"/proxy/quick{path}", key, *ASKED))
    head = wire.head()
    assert head.status == 101

    assert within(15, lambda: upstream.open == before, pause=0.1)

    rest = wire.rest()
    last = frame(b"\x03\xe9request_timeout", opcode=8)
    assert len(rest) > len(PIECE)
    assert rest.endswith(last)
    assert (len(rest) - len(last)) % len(PIECE) == 0
    assert is_logged(database, head.field("x-request-id"), "request_timeout")
    wire.close()


@contextmanager
def half_gone(database: Database) -> Iterator[None]:
    """The fence is there, what says which rights a key has is not."""
    database.execute("ALTER TABLE apikeys_limitoverride RENAME TO elsewhere")
    try:
        yield
    finally:
        database.execute("ALTER TABLE elsewhere RENAME TO apikeys_limitoverride")


def test_nobody_can_tell_which_rights_are_left(
    gateway: Gateway, database: Database, slug: str
) -> None:
    secret = member_key(database, slug)
    with talk(gateway, secret, slug) as talking_to:
        assert goes_on(talking_to)
        with half_gone(database):
            change = "UPDATE apikeys_apikey SET scopes = '{}' WHERE id = %s"
            database.execute(change, secret.split("_")[1])
            assert told(talking_to, 2) == (1013, "database_unavailable")
    assert is_logged(database, request_id(talking_to), "database_unavailable")


def test_a_restart(start: Start, database: Database, slug: str) -> None:
    secret = member_key(database, slug)
    ending = start(1, DRAIN_SECONDS="0.5").wait_until_ready()
    with talk(ending, secret, slug) as talking_to:
        assert goes_on(talking_to)
        ending.process.terminate()
        assert told(talking_to, 2) == (1012, "overloaded")
    assert ending.stop() == 0
    assert is_logged(database, request_id(talking_to), "overloaded")


@pytest.mark.parametrize("code", [*CLOSE_CODES, "key_revoked", "upstream_forbidden"])
def test_every_reason_is_said_as_it_is_documented(code: str) -> None:
    """Of a defect too, which no test can provoke from outside."""
    text = (Path(__file__).parents[2] / "docs/gateway.md").read_text()
    said: list[bytes] = []
    exchange = SimpleNamespace(client=SimpleNamespace(write=said.append))

    Tunnel(cast("Any", exchange)).say_why(code)

    documented = {
        reason: int(number)
        for number, reasons in CODE.findall(text)
        for reason in re.findall(r"`(\w+)`", reasons)
    }
    number = CLOSE_CODES.get(code, POLICY_VIOLATION)
    assert documented[code] == number
    assert said == [frame(number.to_bytes(2, "big") + code.encode(), opcode=8)]
