"""Fuzz target: response heads of an upstream, and the heads that clients get for them.

The first byte says what was asked: its bits are HEAD, an upgrade, HTTP/1.0, not Django.
"""

from collections.abc import Iterable

from proxy.gateway.head import MAX_HEAD, BadMessage
from proxy.gateway.hygiene import Framing, client_framing, interim_to_client, to_client
from proxy.gateway.response import ResponseHead, find_end, parse_response
from proxy.gateway.upgrade import switching
from tests.gateway.fuzz import attacks, oracles
from tests.gateway.fuzz.ours import BETWEEN_HOPS, plain
from tests.gateway.fuzz.requests import CHUNKS, MOST_BODY, MOST_BY_ONE, SPLITS, pieces

HEAD, UPGRADE, OLD, FOREIGN = 1, 2, 4, 8
OURS = {b"connection", b"transfer-encoding", b"upgrade"}
ID = b"0198c0de-0000-7000-8000-000000000000"
LIMITS = b'RateLimit-Policy: "day";q=10\r\nRateLimit: "day";r=9\r\n'

SEEDS = [
    *(b"\x08HTTP/1.1 200 OK\r\n%b\r\n\r\n" % fields for fields in attacks.CODING_FIELDS),
    *(b"\x08HTTP/1.1 200 OK\r\n%b\r\n\r\n" % fields for fields in attacks.LENGTH_FIELDS),
    b"\x08HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\nTransfer-Encoding: a\r\n\r\n",
    b"\x08HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n",
    b"\x08HTTP/1.1 204 No Content\r\nContent-Length: 12\r\n\r\n",
    b"\x08HTTP/1.1 103 Early Hints\r\nContent-Length: 12\r\n\r\n",
    b"\x08HTTP/1.1 200 OK\r\nSet-Cookie: =momentry_session=1\r\n\r\n",
    b"\x08HTTP/1.1 200 OK\r\nContent-Length: 3\r\nSet-Cookie: a=1\r\nSet-Cookie: b\r\n\r\n",
    b"\x00HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 3\r\nX-Request-ID: a\r\n\r\n",
    b"\x0cHTTP/1.1 404 Not  Here\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n",
    b"\x09HTTP/1.1 304 \r\nContent-Length: 12\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\n\r\n",
    b"\x0aHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"\x08HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: a\r\n\r\n",
    b"\x08HTTP/1.1 204 No Content\r\nX-Momentry-Charge: 0\r\nSet-Cookie: momentry_x=1\r\n\r\n",
    b"\x0cHTTP/1.1 200 \xff\t\r\nRateLimit: a\r\nDate: x\r\n\r\n",
]
TOKENS = [
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: x-request-id, content-length\r\n",
    b"X-Momentry-User-Id: 1\r\n",
    b"Set-Cookie: =momentry_session=1\r\n",
    b"\xa0momentry_session=1",
    b"X-Request-ID: " + ID + b"\r\n",
    b"ratelimit-policy: 1\r\n",
    b"HTTP/1.0",
    b" 204 ",
    b" 100 ",
    b"\r\n\r\n",
]


def check(data: bytes) -> None:
    asked, data = data[0] if data else 0, data[1:]
    block = read(data, [data], asked)
    for sizes in SPLITS:
        if sizes != (1,) or len(data) <= MOST_BY_ONE:
            assert read(data, pieces(data, sizes), asked) == block or len(data) > MAX_HEAD
    if block is None:
        return
    answer = parse_response(block, method(asked), may_switch=bool(asked & UPGRADE))
    assert sum((answer.chunked, answer.until_close, answer.bodiless)) <= 1
    assert answer.status != 101 or asked & UPGRADE
    assert not (answer.keep_alive and answer.until_close)
    names = [name for name, _ in answer.headers]
    if answer.status == 101 and not (b"upgrade" in answer.nominated and b"upgrade" in names):
        return  # upgrade.is_accepted() makes it a 502; llhttp refuses such a 101 at once
    check_oracles(answer, block, asked)
    check_relayed(answer, asked)


def method(asked: int) -> bytes:
    return b"HEAD" if asked & HEAD else b"GET"


def read(data: bytes, parts: Iterable[bytes], asked: int) -> bytes | None:
    """The block of an accepted head."""
    buffer, scanned = bytearray(), 0
    try:
        for part in parts:
            buffer += part
            end = find_end(buffer, scanned)
            if end >= 0:
                block = bytes(buffer[:end])
                parse_response(block, method(asked), may_switch=bool(asked & UPGRADE))
                return block
            scanned = len(buffer)
    except BadMessage as error:
        if error.code != "upstream_failed":
            raise
    return None


def payload(answer: ResponseHead) -> bytes:
    if answer.bodiless:
        return b""
    return CHUNKS if answer.chunked else b"x" * min(answer.content_length or 0, MOST_BODY)


def check_oracles(answer: ResponseHead, block: bytes, asked: int) -> None:
    body = payload(answer)
    theirs = oracles.answers(block + body)
    assert not theirs.refused or asked & HEAD  # it is not told what was asked
    message = theirs.messages[0]
    assert (message.start, message.headers) == (b"%d" % answer.status, answer.headers)
    if asked & HEAD or answer.status < 200:
        return
    ends = answer.chunked or (answer.content_length or 0) <= MOST_BODY
    assert message.complete == (answer.bodiless or (ends and not answer.until_close))
    found = oracles.first_answer(block + body, method(asked))
    assert found is not None
    assert found[0].start == message.start
    assert found[0].headers == oracles.as_h11(answer.headers)
    assert found[0].complete == message.complete
    assert found[1] == b""


def check_relayed(answer: ResponseHead, asked: int) -> None:
    version = 10 if asked & OLD else 11
    foreign = bool(asked & FOREIGN)
    if answer.interim:
        sent = interim_to_client(answer)
    else:
        sent = to_client(
            answer, version=version, request_id=ID, limits=LIMITS, close=False, foreign=foreign
        )
    if answer.status == 101:
        sent = switching(sent)
    framing = client_framing(answer, version)
    body = b"x" * min(answer.content_length or 0, MOST_BODY) if framing is Framing.LENGTH else b""
    theirs = oracles.answers(sent + (CHUNKS if framing is Framing.CHUNKED else body))
    assert not theirs.refused or asked & HEAD
    message = theirs.messages[0]
    assert message.start == b"%d" % answer.status
    assert message.values(b"x-request-id") == ([] if answer.interim else [ID])
    framed = len(message.values(b"content-length") + message.values(b"transfer-encoding"))
    assert framed <= 1
    assert framed or answer.bodiless or message.values(b"connection") == [b"close"]
    for name, value in message.headers:
        assert not name.startswith(b"x-momentry-")
        assert plain(name) not in BETWEEN_HOPS - OURS
        assert not (name == b"set-cookie" and foreign and sets_ours(value))
    assert len([name for name, _ in message.headers if name == b"ratelimit"]) <= 1 + sum(
        name == b"ratelimit" for name, _ in answer.headers
    )


def sets_ours(value: bytes) -> bool:
    """Would Django find a cookie of ours in what a browser makes of this Set-Cookie? A nameless
    one is sent back as its value alone, and Django strips what Unicode calls a blank."""
    pair = value.decode("latin-1").partition(";")[0]
    name, mark, text = pair.partition("=")
    back = text.strip(" \t") if mark and not name.strip(" \t") else pair
    return back.strip().startswith("momentry_")
