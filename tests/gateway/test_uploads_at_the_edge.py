"""RES-01: a body of the largest size passes whole, and of one byte more nobody is asked for it.

To an upstream (its own limit), to Django, and to the gateway itself.
"""

import json
from collections.abc import Callable
from typing import Final

import pytest

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway, request
from tests.gateway.test_log_every_code import agree
from tests.gateway.wire import CHUNKED, LENGTH, Answer, Server, Wire

pytestmark = pytest.mark.slow

BODY: Final = 10  # bytes, of the upstream ``small``
DJANGO: Final = 10 << 20
QUESTION: Final = 65_536

SMALL: Final = "/proxy/small/edge"
API: Final = "/api/v1/edge"
VERIFY: Final = "/api/v1/keys/verify"
IN_CHUNKS: Final = "Transfer-Encoding: chunked"
WAITS: Final = "Expect: 100-continue"
JSON: Final = "Content-Type: application/json"


def validator_of(database: Database) -> str:
    with database.rows():
        return make.service_key("validator").secret


def question(size: int) -> bytes:
    """About nobody's key."""
    return json.dumps({"key": "x", "dry_run": True}).encode().ljust(size)


Call = Callable[[str, int], tuple[bytes, bytes]]


def upload(path: str, body: Callable[[int], bytes], *fields: str, chunks: bool = False) -> Call:
    """A head, and a body of so many bytes."""

    def made(key: str, size: int) -> tuple[bytes, bytes]:
        framing = IN_CHUNKS if chunks else f"Content-Length: {size}"
        text = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body(size)) if chunks else body(size)
        return request("POST", path, key, framing, *fields), text

    return made


UPLOADS: Final = {
    "small": (upload(SMALL, bytes), BODY),
    "django": (upload(API, bytes), DJANGO),
    "verify": (upload(VERIFY, question, JSON), QUESTION),
}
IN_PIECES: Final = {
    "small": (upload(SMALL, bytes, chunks=True), BODY),
    "django": (upload(API, bytes, chunks=True), DJANGO),
    "verify": (upload(VERIFY, question, JSON, chunks=True), QUESTION),
}


@pytest.fixture
def secrets(database: Database, key: str, django: Server) -> dict[str, str]:
    """Who may say what: to Django anybody."""
    django.on(API, count)
    return {"small": key, "django": "", "verify": validator_of(database)}


def count(wire: Wire, head: bytes) -> None:
    """Says how long the body was."""
    if found := LENGTH.search(head):
        size = len(wire.exactly(int(found[1])))
    else:
        assert CHUNKED.search(head)
        size = 0
        while piece := int(wire.until(b"\r\n").partition(b";")[0], 16):
            size += len(wire.exactly(piece + 2)) - 2
        wire.until(b"\r\n")
    told = b"%d" % size
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("where", UPLOADS)
def test_a_sized_body_too_long_is_refused_before_it_is_sent(
    gateway: Gateway, database: Database, secrets: dict[str, str], where: str, waits: bool
) -> None:
    call, size = UPLOADS[where]

    fits = sends(gateway, *call(secrets[where], size), waits)
    head, _ = call(secrets[where], size + 1)
    over = gateway.ask(expecting(head) if waits else head)

    assert fits.status == 200, fits.body
    assert where != "django" or fits.body == b"%d" % size
    agree(database, over, "body_too_large")
    assert gateway.get("/healthz").status == 200


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("where", IN_PIECES)
def test_a_chunked_body_is_refused_as_soon_as_it_is_too_long(
    gateway: Gateway, database: Database, secrets: dict[str, str], where: str, waits: bool
) -> None:
    call, size = IN_PIECES[where]

    fits = sends(gateway, *call(secrets[where], size), waits)
    head, body = call(secrets[where], size + 1)
    over = sends(gateway, head, body[: -len(b"\r\n0\r\n\r\n")], waits)

    assert fits.status == 200, fits.body
    assert where != "django" or fits.body == b"%d" % size
    agree(database, over, "body_too_large")
    assert gateway.get("/healthz").status == 200


def expecting(head: bytes) -> bytes:
    return head[:-2] + WAITS.encode() + b"\r\n\r\n"


def sends(gateway: Gateway, head: bytes, body: bytes, waits: bool) -> Answer:
    """The body with its head, or once it is asked for."""
    if not waits:
        return gateway.ask(head + body)
    wire = gateway.connect().send(expecting(head))
    assert wire.head().status == 100
    return wire.send(body).answer()
