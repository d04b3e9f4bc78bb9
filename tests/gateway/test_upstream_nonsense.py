"""PRX-14, SMG for answers: what is no HTTP/1 answer is 502, and one reading or none of a body."""

import time

import pytest

from tests.gateway.conftest import Database
from tests.gateway.misbehaving import CHUNKED, OK, ask, hang, outcome, row_of, says
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Script, Server, Wire

pytestmark = pytest.mark.slow

LENGTH = b"Content-Length: 2\r\n"
END = b"\r\nok"
HEADS = {
    "HTTP/0.9": b"<html>hello</html>\r\n\r\n",
    "garbage": b"\x00\x01\x02\xff\xfe\r\n\r\n",
    "a TLS alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "HTTP/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00\x03\x00\x00\x00\x64" * 3,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 status line": b"HTTP/2 200\r\n" + LENGTH + END,
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n" + LENGTH + END,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "ICY": b"ICY 200 OK\r\n" + LENGTH + END,
    "lower case": b"http/1.1 200 OK\r\n" + LENGTH + END,
    "status 99": b"HTTP/1.1 99 Odd\r\n" + LENGTH + END,
    "status 600": b"HTTP/1.1 600 Odd\r\n" + LENGTH + END,
    "status 2000": b"HTTP/1.1 2000 Odd\r\n" + LENGTH + END,
    "status -1": b"HTTP/1.1 -1 Odd\r\n" + LENGTH + END,
    "no status": b"HTTP/1.1 OK\r\n" + LENGTH + END,
    "two spaces": b"HTTP/1.1  200 OK\r\n" + LENGTH + END,
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\n" + LENGTH + END,
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "one bare line feed": OK + b"X: a\n" + LENGTH + END,
    "a bare carriage return": OK + b"X: a\rY: b\r\n" + LENGTH + END,
    "a folded field": OK + b"X: a\r\n b\r\n" + LENGTH + END,
    "a folded first field": OK + b" X: a\r\n" + LENGTH + END,
    "a NUL": OK + b"X: a\0b\r\n" + LENGTH + END,
    "a blank before the colon": OK + b"X : a\r\n" + LENGTH + END,
    "no name": OK + b": a\r\n" + LENGTH + END,
    "no colon": OK + b"nothing\r\n" + LENGTH + END,
    "two lengths": OK + LENGTH + b"Content-Length: 5\r\n" + END,
    "two equal lengths": OK + LENGTH * 2 + END,
    "a list of lengths": OK + b"Content-Length: 2, 2\r\n" + END,
    "a negative length": OK + b"Content-Length: -2\r\n" + END,
    "a signed length": OK + b"Content-Length: +2\r\n" + END,
    "a hexadecimal length": OK + b"Content-Length: 0x2\r\n" + END,
    "a huge length": OK + b"Content-Length: 99999999999999999999\r\n" + END,
    "an empty length": OK + b"Content-Length:\r\n" + END,
    "length and chunks": OK + LENGTH + b"Transfer-Encoding: chunked\r\n" + END,
    "chunks and length": OK + b"Transfer-Encoding: chunked\r\n" + LENGTH + END,
    "two codings": OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": OK + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "xchunked": OK + b"Transfer-Encoding: xchunked\r\n" + END,
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a framed interim answer": b"HTTP/1.1 103 Hints\r\n" + LENGTH + END,
    "101 unasked": b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
    "a flood of interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 40 + OK + LENGTH + END,
    "a field too large": OK + b"X: " + b"x" * 40_000 + b"\r\n" + LENGTH + END,
    "a head without an end": OK + b"X: y\r\n" * 20_000,
    "too many fields": OK + b"X: y\r\n" * 101 + LENGTH + END,
}


@pytest.mark.parametrize("odd", HEADS)
def test_what_is_no_answer_is_502(
    gateway: Gateway, database: Database, key: str, upstream: Server, odd: str
) -> None:
    upstream.on("/odd", says(HEADS[odd], hang))  # not even its end is waited for

    got = ask(gateway, key, "/proxy/echo/odd")

    assert (got.status, got.code, got.is_whole) == (502, "upstream_failed", True)
    row = row_of(database, got.request_id)
    assert (row["status"], row["code"]) == (502, "upstream_failed")


CHUNKS = {
    "negative": b"-2\r\nok\r\n",
    "signed": b"+2\r\nok\r\n",
    "0x": b"0x2\r\nok\r\n",
    "not hexadecimal": b"zz\r\n",
    "huge": b"ffffffffffffffff\r\n",
    "too many digits": b"0000000000000000000002\r\nok\r\n",
    "an empty size": b"\r\nok\r\n",
    "a blank before": b" 2\r\nok\r\n",
    "a blank behind": b"2 \r\nok\r\n",
    "bare line feeds": b"2\nok\n0\n\n",
    "a bare line feed after the bytes": b"2\r\nok\n0\r\n\r\n",
    "longer than said": b"2\r\nokay\r\n0\r\n\r\n",
    "a NUL in an extension": b"2;a=\0\r\nok\r\n",
    "an endless extension": b"2;" + b"a" * 40_000,
    "a folded trailer": b"0\r\nX: a\r\n b\r\n\r\n",
    "a NUL in a trailer": b"0\r\nX: \0\r\n\r\n",
    "too many trailers": b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    "endless trailers": b"0\r\n" + b"X: y\r\n" * 20_000,
}


@pytest.mark.parametrize("odd", CHUNKS)
def test_an_odd_chunk_is_a_cut_that_shows(
    gateway: Gateway, database: Database, key: str, upstream: Server, odd: str
) -> None:
    upstream.on("/chunk", says(CHUNKED + b"5\r\nfirst\r\n" + CHUNKS[odd], hang))

    wire = gateway.connect().send(request("GET", "/proxy/echo/chunk", key))
    raw = b""
    while wire.more():
        raw = wire.held

    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body.startswith(b"5\r\nfirst\r\n")
    assert not body.endswith(b"0\r\n\r\n")
    identity = head.lower().partition(b"\r\nx-request-id: ")[2].split(b"\r\n")[0].decode()
    row = row_of(database, identity)
    assert (row["status"], row["code"]) == (200, "upstream_failed")


def pieces(raw: bytes, later: bytes) -> Script:
    def script(wire: Wire, _head: bytes) -> None:
        wire.send(raw)
        time.sleep(0.05)
        wire.send(later)

    return script


EXTRA = OK + b"Content-Length: 6\r\n\r\nforged"
SURPLUS = {
    "bytes after a sized body": OK + LENGTH + b"\r\nok" + EXTRA,
    "bytes after the final chunk": CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + EXTRA,
    "a body with 204": b"HTTP/1.1 204 No Content\r\n\r\n" + EXTRA,
    "a length with 204": b"HTTP/1.1 204 No Content\r\nContent-Length: 67\r\n\r\n" + EXTRA,
    "a body with 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n" + EXTRA,
    "chunks with 304": b"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EXTRA,
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("odd", SURPLUS)
def test_what_comes_after_an_answer_is_nobodys(
    gateway: Gateway, key: str, upstream: Server, odd: str, late: bool
) -> None:
    """Together with the answer, or a moment later, when the connection is already kept."""
    raw, _, extra = SURPLUS[odd].partition(EXTRA)
    upstream.on("/more", says(SURPLUS[odd], hang) if not late else pieces(raw, EXTRA + extra))
    wire = gateway.connect()

    first = outcome(wire.send(request("GET", "/proxy/echo/more", key)))
    time.sleep(0.2 if late else 0)  # who asks in between could not tell it from an answer
    others = [ask(gateway, key, "/proxy/echo/other") for _ in range(6)]

    assert first.status in {200, 204, 304}
    assert b"forged" not in first.body
    assert all(b"forged" not in got.body and got.status == 200 for got in others)


@pytest.mark.parametrize("framing", [LENGTH + b"\r\nok", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_a_body_in_answer_to_head_is_nobodys(
    gateway: Gateway, key: str, upstream: Server, framing: bytes
) -> None:
    upstream.on("/headed", says(OK + framing + EXTRA))

    got = ask(gateway, key, "/proxy/echo/headed", "HEAD")
    others = [ask(gateway, key, "/proxy/echo/other") for _ in range(6)]

    assert (got.status, got.is_whole) == (200, True)
    assert all(b"forged" not in other.body and other.status == 200 for other in others)
