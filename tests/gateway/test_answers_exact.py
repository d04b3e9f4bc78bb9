"""PRX-03, PRX-10, PRX-15: an answer is what the upstream said, to the byte and in its order, but
for the fields that docs/gateway.md names; nothing is kept for the next who asks."""

import pytest

from tests.gateway.misbehaving import OK, says
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire

pytestmark = pytest.mark.slow

NO_BODY = b"Content-Length: 0\r\n\r\n"
STATUS_LINES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 ",
    b"HTTP/1.1 201 Made of  two blanks",
    b"HTTP/1.1 203 Non-Authoritative",
    b"HTTP/1.1 206 Partial Content",
    b"HTTP/1.1 226 IM Used",
    b"HTTP/1.1 299 Odd",
    *[b"HTTP/1.1 %d Elsewhere" % status for status in (300, 301, 302, 303, 307, 308)],
    b"HTTP/1.1 399 Odd",
    b"HTTP/1.1 401 Theirs, not ours",
    b"HTTP/1.1 402 Pay",
    b"HTTP/1.1 403 No",
    b"HTTP/1.1 407 Proxy",
    b"HTTP/1.1 418 I'm a teapot",
    b"HTTP/1.1 429 Slow down",
    b"HTTP/1.1 451 Unavailable",
    b"HTTP/1.1 499 Odd",
    b"HTTP/1.1 500 Oops",
    b"HTTP/1.1 502 Theirs",
    b"HTTP/1.1 503 Theirs",
    b"HTTP/1.1 504 Theirs",
    b"HTTP/1.1 599 Odd",
    b"HTTP/1.1 200 caf\xe9 \xe2\x82\xac",
]
FIELDS = [
    (b"set-cookie", b"a=1; Path=/; HttpOnly"),
    (b"vary", b"Accept"),
    (b"set-cookie", b'b="two, three"; Expires=Wed, 21 Oct 2026 07:28:00 GMT'),
    (b"x-empty", b""),
    (b"vary", b"Origin"),
    (b"cache-control", b"public, max-age=31536000, immutable"),
    (b"age", b"77"),
    (b"expires", b"0"),
    (b"etag", b'W/"abc"'),
    (b"last-modified", b"Wed, 21 Oct 2026 07:28:00 GMT"),
    (b"location", b"http://192.0.2.1:9/inside?x=1#f"),
    (b"content-type", b"application/json; charset=utf-8"),
    (b"content-encoding", b"gzip"),
    (b"content-language", b"de, en"),
    (b"www-authenticate", b'Basic realm="theirs"'),
    (b"retry-after", b"120"),
    (b"server", b"theirs/1.0"),
    (b"date", b"Wed, 21 Oct 2026 07:28:00 GMT"),
    (b"via", b"1.1 theirs"),
    (b"link", b"</a>; rel=preload"),
    (b"x-latin", b"caf\xe9"),
    (b"x-utf8", b"\xe2\x82\xac"),
    (b"x-under_score", b"kept"),
    (b"set-cookie", b"a=1; Path=/; HttpOnly"),
    (b"openai-processing-ms", b"12"),
    (b"x-long", b"y" * 8000),
]


def raw_answer(gateway: Gateway, key: str, path: str, *fields: str, method: str = "GET") -> bytes:
    """To the end of the connection, which the client asks for."""
    wire = gateway.connect()
    return wire.send(request(method, path, key, "Connection: close", *fields)).rest()


def without_ours(head: bytes) -> list[bytes]:
    """Less what the gateway adds: its id, the limits, and how its connection goes on."""
    ours = (b"x-request-id:", b"ratelimit", b"connection:")
    lines = head.split(b"\r\n")
    return [lines[0], *[line for line in lines[1:] if not line.lower().startswith(ours)]]


@pytest.mark.parametrize("line", STATUS_LINES)
def test_a_status_line_arrives_as_it_is(
    gateway: Gateway, key: str, upstream: Server, line: bytes
) -> None:
    upstream.on("/status", says(line + b"\r\nLocation: http://192.0.2.1/\r\n" + NO_BODY))

    raw = raw_answer(gateway, key, "/proxy/echo/status")

    assert raw.startswith(line + b"\r\nlocation: http://192.0.2.1/\r\n")
    assert len(upstream.heads_of("/status")) > 0


def test_a_status_line_without_a_reason_gets_its_blank(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    upstream.on("/bare", says(b"HTTP/1.1 200\r\n" + NO_BODY))

    assert raw_answer(gateway, key, "/proxy/echo/bare").startswith(b"HTTP/1.1 200 \r\n")


def test_fields_keep_order_doubles_and_every_byte(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    lines = b"".join(b"%b: %b\r\n" % field for field in FIELDS)
    body = bytes(range(256)) * 40
    upstream.on("/fields", says(OK + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body))

    head, _, got = raw_answer(gateway, key, "/proxy/echo/fields").partition(b"\r\n\r\n")

    wanted = [b"%b: %b" % field for field in FIELDS]
    assert without_ours(head) == [b"HTTP/1.1 200 OK", *wanted, b"Content-Length: 10240"]
    assert got == body


def test_nothing_is_added_but_what_is_documented(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    """Not even Date, Server or Via: the head is the upstream's."""
    upstream.on("/plain", says(OK + b"Content-Length: 2\r\n\r\nok"))

    head = raw_answer(gateway, key, "/proxy/echo/plain").partition(b"\r\n\r\n")[0]

    assert without_ours(head) == [b"HTTP/1.1 200 OK", b"Content-Length: 2"]


@pytest.mark.parametrize(
    "field",
    [
        'If-None-Match: "abc", W/"d"',
        "If-Match: *",
        "If-Modified-Since: Wed, 21 Oct 2026 07:28:00 GMT",
        "If-Unmodified-Since: Wed, 21 Oct 2026 07:28:00 GMT",
        'If-Range: "abc"',
        "Range: bytes=0-1,5-",
        "Cache-Control: only-if-cached, max-stale",
        "Pragma: no-cache",
        "Accept-Encoding: br;q=1.0, gzip, *;q=0",
        "Accept: text/html,application/json;q=0.9",
        "Content-Type: multipart/form-data; boundary=x",
        "Idempotency-Key: abc",
        "Prefer: respond-async",
    ],
)
def test_what_a_client_asks_of_caches_and_codings_goes_up_unchanged(
    gateway: Gateway, key: str, field: str
) -> None:
    name, _, value = field.partition(": ")

    head = gateway.get("/proxy/echo/asked", key, field).body

    assert f"\r\n{name.lower()}: {value}\r\n".encode() in head


def test_the_same_question_is_asked_anew_each_time(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    """However fresh the upstream says that its answer stays."""
    count = 0

    def tell(wire: Wire, _head: bytes) -> None:
        nonlocal count
        count += 1
        body = b"%d" % count
        fresh = b'Cache-Control: public, max-age=999, immutable\r\nETag: "x"\r\n'
        wire.send(OK + fresh + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    upstream.on("/fresh", tell)

    bodies = [gateway.get("/proxy/echo/fresh", key).body for _ in range(6)]

    assert bodies == [b"1", b"2", b"3", b"4", b"5", b"6"]


def test_a_redirect_is_followed_by_nobody_here(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    place = b"Location: http://127.0.0.1:%d/followed\r\n" % upstream.port
    upstream.on("/moved", says(b"HTTP/1.1 307 Moved\r\n" + place + NO_BODY))

    raw = raw_answer(gateway, key, "/proxy/echo/moved", method="POST")

    assert raw.startswith(b"HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:")
    assert upstream.heads_of("/followed") == []
