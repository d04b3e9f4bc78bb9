"""Fuzz target: request heads as they come from a client, in any pieces."""

from collections.abc import Iterable, Iterator

from proxy.gateway.blocks import find_end
from proxy.gateway.head import MAX_FIELDS, MAX_HEAD, MAX_LENGTH, BadMessage, RequestHead
from proxy.gateway.head import parse_request as parse
from tests.gateway.fuzz import attacks, oracles

SPLITS = ((1,), (2, 3), (97,), (1, 4096))
MOST_BY_ONE = 1024  # bytes that are fed one by one
MOST_BODY = 4096
CHUNKS = b"2;a=b\r\nxy\r\n0\r\nX-Sum: 1\r\n\r\n"

ATTACKS = [
    *(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % each for each in attacks.CODING_FIELDS),
    *(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % each for each in attacks.LENGTH_FIELDS),
    *(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % each for each in attacks.FIELDS),
    *(b"GET / HTTP/1.1\r\n%b\r\n\r\n" % each for each in attacks.HOSTS if each),
    *(line.replace(b"%b", b"/") + b"\r\nHost: a\r\n\r\n" for line, _ in attacks.LINES),
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 99 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 100 + b"\r\n",
]
VALID = [
    b"GET /a%20b?c=%2F HTTP/1.1\r\nHost: a.test:80\r\nAccept: */*\r\n\r\n",
    b"POST /proxy/echo/v1/chat HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nX: \t y z \t\r\n\r\n",
    b"PUT / HTTP/1.1\r\nhost: [::1]:8080\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
    b"GET http://a.test:80/x?y HTTP/1.1\r\nHost: b\r\nConnection: keep-alive, Foo\r\n\r\n",
    b"\r\n\r\nHEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 007\r\n\r\nabcdefg",
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    ),
    b"DELETE /a HTTP/1.1\r\nHost: a\r\nX_y: \xff\xe4\r\nA:\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\n",
]
SEEDS = [*VALID, *ATTACKS]
TOKENS = [
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"content_length: 5\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Connection: content-length, transfer-encoding, host\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: b\r\n",
    b"chunked, identity",
    b" HTTP/1.0\r\n",
    b"\r\n folded\r\n",
    b"18446744073709551617",
    b"9007199254740993",
    b"CONNECT ",
    b"http://",
]

Outcome = tuple[str, int, RequestHead | None]


def check(data: bytes) -> None:
    code, consumed, head = read(data, [data])
    for sizes in SPLITS:
        if sizes != (1,) or len(data) <= MOST_BY_ONE:
            again = read(data, pieces(data, sizes))
            assert again == (code, consumed, head) or len(data) > MAX_HEAD
    if head is not None:
        block = data[: len(data) if consumed < 0 else consumed].lstrip(b"\r\n")
        check_bounds(head, block)
        check_oracles(head, block)
        assert parse(written(head)) == head


def pieces(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    at, sizes = 0, list(sizes)
    while at < len(data):
        for size in sizes:
            yield data[at : at + size]
            at += size


def read(data: bytes, parts: Iterable[bytes]) -> Outcome:
    """The code of a refusal; how many bytes were the head's; the head."""
    buffer, scanned, taken = bytearray(), 0, 0
    try:
        for part in parts:
            buffer += part
            taken += len(part)
            end = find_end(buffer, scanned)
            if end >= 0:
                return "", taken - len(buffer) + end, parse(bytes(buffer[:end]))
            scanned = len(buffer)
    except BadMessage as error:
        return error.code, 0, None
    return "incomplete", 0, None


def check_bounds(head: RequestHead, block: bytes) -> None:
    assert len(block) <= MAX_HEAD
    assert len(head.headers) <= MAX_FIELDS
    assert not (head.chunked and head.content_length is not None)
    assert head.content_length is None or 0 <= head.content_length <= MAX_LENGTH
    assert head.target.startswith(b"/")
    assert head.target == head.path + (b"" if head.query is None else b"?" + head.query)
    assert head.version == 11 or not (head.chunked or head.expect_continue)
    for name, value in head.headers:
        assert name == name.lower()
        assert not set(name + value) & set(b"\r\n\0")


def check_oracles(head: RequestHead, block: bytes) -> None:
    """We may be stricter than llhttp and h11, never laxer, and the body ends where they say."""
    body = CHUNKS if head.chunked else b"x" * min(head.content_length or 0, MOST_BODY)
    ends = head.chunked or (head.content_length or 0) <= MOST_BODY
    origin = block.split(b" ")[1].startswith(b"/")
    theirs = oracles.requests(block + body)
    found = oracles.first_request(block + body)
    assert not theirs.refused
    assert found is not None
    assert found[1] == b""
    assert len(theirs.messages) == 1
    message, other = theirs.messages[0], found[0]
    assert (message.headers, other.headers) == (head.headers, oracles.as_h11(head.headers))
    assert (message.start, other.start) == (head.method, head.method)
    assert not origin or message.target == other.target == head.target
    assert other.complete == ends
    if theirs.upgraded:  # an upgrade that we do not make: its body stays a body, as in h11
        return
    assert message.complete == ends
    assert b"upgrade" in head.nominated or message.keep_alive == head.keep_alive
    if body and ends:
        assert not oracles.requests(block + body[:-1]).whole


def written(head: RequestHead) -> bytes:
    fields = b"".join([b"%b: %b\r\n" % field for field in head.headers])
    return b"%b %b HTTP/1.%d\r\n%b\r\n" % (
        head.method,
        head.target,
        head.version - 10,
        fields,
    )
