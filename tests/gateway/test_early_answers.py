"""PRX-14: an answer that comes before the upload's end reaches the client, whatever comes after."""

import threading

import pytest

from tests.gateway.conftest import Database
from tests.gateway.misbehaving import (
    End,
    Outcome,
    all_sockets_to,
    close,
    outcome,
    reset,
    row_of,
    stay,
)
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut, Script, Server, Wire, within

pytestmark = pytest.mark.slow

REFUSED = b"HTTP/1.1 413 Too Large\r\nContent-Length: 7\r\n\r\nno more"
IN_CHUNKS = b"HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nno more\r\n0\r\n\r\n"
ENDS = {"stays": stay, "closes": close, "resets": reset}
UPLOAD = 64 << 20


def upload(wire: Wire, size: int) -> None:
    """As much as is taken."""
    block = b"x" * 65_536
    try:
        for _ in range(size // len(block)):
            wire.send(block)
    except OSError:
        pass


def refused(gateway: Gateway, key: str, path: str) -> Outcome:
    wire = gateway.connect()
    wire.send(request("POST", path, key, f"Content-Length: {UPLOAD}"))
    sender = threading.Thread(target=upload, args=[wire, UPLOAD])
    sender.start()
    try:
        return outcome(wire)
    finally:
        wire.close()
        sender.join(10)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("raw", [REFUSED, IN_CHUNKS])
@pytest.mark.parametrize("read", [0, 1 << 20])
def test_the_answer_to_an_upload_that_is_refused_always_arrives(
    gateway: Gateway,
    database: Database,
    key: str,
    upstream: Server,
    read: int,
    raw: bytes,
    end: str,
) -> None:
    """The upstream's close makes a write fail, with the answer still unread."""
    upstream.on("/refuse", early(raw, ENDS[end], read))

    found = [refused(gateway, key, "/proxy/echo/refuse") for _ in range(15)]

    assert {(got.status, got.body, got.is_whole) for got in found} == {(413, b"no more", True)}
    assert {row_of(database, got.request_id)["code"] for got in found[:3]} == {""}
    assert within(1, lambda: all_sockets_to(gateway, upstream) == 0)


def early(raw: bytes, end: End, read: int) -> Script:
    def script(wire: Wire, _head: bytes) -> None:
        wire.exactly(read)
        wire.send(raw)
        end(wire)
        wire.is_closed_within(3)
        raise Cut("it went")

    return script
