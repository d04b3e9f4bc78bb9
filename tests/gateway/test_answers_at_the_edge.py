"""RES-01: of each size that an upstream may send the last byte passes, and one more fails.

Before the answer has begun that is 502, afterwards a cut that shows. The largest body that staff
set is in test_large_answers.py.
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

import pytest

from tests.gateway.conftest import Database
from tests.gateway.misbehaving import CHUNKED, OK, End, ask, hang, row_of, stay
from tests.gateway.processes import Gateway
from tests.gateway.test_sizes_at_the_edge import filled, size_line, trailers
from tests.gateway.wire import Script, Server, Wire

pytestmark = pytest.mark.slow

HEAD: Final = 32_768
FIELDS: Final = 100
INTERIM: Final = 16
SIZE_LINE: Final = 1024
SIZED: Final = "Content-Length: 1\r\n\r\n"
HINT: Final = b"HTTP/1.1 103 Early Hints\r\n"


def head(size: int) -> bytes:
    return (
        filled(size, lambda fill: f"HTTP/1.1 200 OK\r\nX-Fill: {fill}\r\n{SIZED}".encode()) + b"z"
    )


def hint(size: int) -> bytes:
    """An interim answer, and then one."""
    link = filled(size, lambda fill: HINT + f"Link: <{fill}>\r\n\r\n".encode())
    return link + OK + SIZED.encode() + b"z"


def status_line(size: int) -> bytes:
    return filled(size, lambda fill: f"HTTP/1.1 200 {fill}\r\n{SIZED}".encode()) + b"z"


class Edge(NamedTuple):
    """``make(size)``, for the largest size that passes and for one more."""

    make: Callable[[int], bytes]
    size: int
    status: int  # of what is too large: 200 where the answer had begun


EDGES: Final = {
    "a head": Edge(head, HEAD, 502),
    "a status line": Edge(status_line, HEAD, 502),
    "an interim head": Edge(hint, HEAD, 502),
    "fields": Edge(
        lambda count: OK + b"X: y\r\n" * (count - 1) + SIZED.encode() + b"z", FIELDS, 502
    ),
    "interim fields": Edge(
        lambda count: HINT + b"X: y\r\n" * count + b"\r\n" + OK + SIZED.encode() + b"z", FIELDS, 502
    ),
    "interim answers": Edge(
        lambda count: (HINT + b"\r\n") * count + OK + SIZED.encode() + b"z", INTERIM, 502
    ),
    "the first size line": Edge(
        lambda size: CHUNKED + size_line(size) + b"z\r\n0\r\n\r\n", SIZE_LINE, 200
    ),
    "a later size line": Edge(
        lambda size: CHUNKED + b"1\r\nz\r\n" + size_line(size) + b"z\r\n0\r\n\r\n", SIZE_LINE, 200
    ),
    "digits of a chunk's size": Edge(
        lambda size: CHUNKED + b"1".zfill(size) + b"\r\nz\r\n0\r\n\r\n", 16, 200
    ),
    "trailers": Edge(
        lambda count: CHUNKED + b"1\r\nz\r\n0\r\n" + b"X: y\r\n" * count + b"\r\n", FIELDS, 200
    ),
    "bytes of trailers": Edge(lambda size: CHUNKED + b"1\r\nz\r\n" + trailers(size), HEAD, 200),
}


def says(raw: bytes, apart: bool, end: End) -> Script:
    """In one piece, or its last bytes later: two ways of reading."""

    def script(wire: Wire, _head: bytes) -> None:
        if apart:
            wire.send(raw[:-9])
            time.sleep(0.05)
        wire.send(raw[-9:] if apart else raw)
        end(wire)

    return script


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", EDGES)
def test_the_last_byte_passes_and_one_more_fails(
    gateway: Gateway, database: Database, key: str, upstream: Server, name: str, apart: bool
) -> None:
    edge = EDGES[name]
    upstream.on("/fits", says(edge.make(edge.size), apart, stay))
    upstream.on("/over", says(edge.make(edge.size + 1), apart, hang))

    fits = ask(gateway, key, "/proxy/echo/fits")
    over = ask(gateway, key, "/proxy/echo/over")

    assert (fits.status, set(fits.body), fits.is_whole) == (200, set(b"z"), True)
    assert row_of(database, fits.request_id)["code"] == ""
    assert (over.status, over.is_whole) == (edge.status, edge.status == 502)
    row = row_of(database, over.request_id)
    assert (row["status"], row["code"]) == (edge.status, "upstream_failed")
    assert ask(gateway, key, "/proxy/echo/fits").status == 200
