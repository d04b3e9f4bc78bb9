"""What is odd but right goes on with one reading, and the next request on the connection is the
next: SMG-01, -03, -05, -07, -08, PRX-02, PRX-04, PRX-05."""

import contextlib
import socket
import time

import pytest

from tests.gateway.fuzz.oracles import Message
from tests.gateway.fuzz.ours import is_ours, plain
from tests.gateway.fuzz.strict import Strict
from tests.gateway.handshake import ASKED as UPGRADE
from tests.gateway.handshake import NONCE
from tests.gateway.processes import Gateway, request

DOORS = {"upstream": "/proxy/strict", "django": "/claim"}
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"  # looks like a request wherever it stands
SIZED = b"Content-Length: %d\r\n" % len(NEXT)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(NEXT), NEXT)
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
HALF_ASKED = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
ASKED = HALF_ASKED + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n" % NONCE.encode()

# Fields, and the body as it stands on the wire; it always says NEXT.
FRAMED: dict[str, tuple[bytes, bytes]] = {
    "sized": (SIZED, NEXT),
    "leading zeros": (SIZED.replace(b": ", b": 000"), NEXT),
    "blanks around the length": (SIZED.replace(b": ", b":\t ").replace(b"\r", b" \t\r"), NEXT),
    "chunked": (CHUNKED, CHUNKS),
    "upper case": (CHUNKED.upper(), CHUNKS.upper().replace(NEXT.upper(), NEXT)),
    "tabs": (b"Transfer-Encoding:\tchunked\t\r\n", CHUNKS),
    "zeros in sizes": (CHUNKED, b"%016x\r\n%b\r\n%016x\r\n\r\n" % (len(NEXT), NEXT, 0)),
    "extensions": (CHUNKED, b'%x;a;b=c;d="\\"e;f"\r\n%b\r\n0;g\r\n\r\n' % (len(NEXT), NEXT)),
    "one by one": (CHUNKED, b"".join(b"1\r\n%c\r\n" % byte for byte in NEXT) + b"0\r\n\r\n"),
    "h2c, sized": (H2C + SIZED, NEXT),
    "h2c, chunked": (H2C + CHUNKED, CHUNKS),
    "websocket, sized": (ASKED + SIZED, NEXT),
    "websocket, chunked": (ASKED + CHUNKED, CHUNKS),
    "half a websocket": (HALF_ASKED + SIZED, NEXT),
    "framing nominated": (b"Connection: content-length, host, transfer-encoding\r\n" + SIZED, NEXT),
    "coding nominated": (b"Connection: transfer-encoding, x-momentry-key-id\r\n" + CHUNKED, CHUNKS),
    "other names": (b"X-Content-Length: 0\r\nContent-Lengths: 1\r\n" + SIZED, NEXT),
    "expected": (b"Expect: 100-Continue\r\n" + SIZED, NEXT),
    "trailers": (
        CHUNKED + b"TE: trailers\r\nTrailer: Host\r\n",
        CHUNKS[:-2] + b"Host: b\r\nContent-Length: 0\r\nTransfer-Encoding: x\r\napi-key: k\r\n\r\n",
    ),
}
METHODS = ["POST", "GET"]


class Asking:
    """One client on one connection; what its requests became."""

    def __init__(self, gateway: Gateway, end: Strict, key: str, door: str) -> None:
        self.wire = gateway.connect()
        self.wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.end = end
        self.key = key
        self.path = DOORS[door]

    def head(self, fields: bytes, method: str = "POST", path: str = "/odd") -> bytes:
        head = request(method, self.path + path, self.key)
        return head[:-2] + fields + b"\r\n"

    def became(self, *parts: bytes) -> Message:
        """A request in these segments."""
        before = len(self.end.all())
        for part in parts:
            self.wire.send(part)
            if len(parts) > 1:
                time.sleep(0.001)
        answer = self.wire.answer()
        while answer.status == 100:
            answer = self.wire.answer()
        assert answer.status == 200
        taken = self.end.all()[before:]
        assert len(taken) == 1
        assert self.end.faults == []
        return taken[0].message


@pytest.fixture(params=DOORS)
def asking(request, strict: Gateway, ends: list[Strict], strict_key: str) -> Asking:
    return Asking(strict, ends[list(DOORS).index(request.param)], strict_key, request.param)


@pytest.mark.parametrize("method", METHODS)
def test_a_body_that_looks_like_a_request_stays_a_body(asking: Asking, method: str) -> None:
    for name, (fields, body) in FRAMED.items():
        head = asking.head(fields, method)
        for parts in ([head + body], [head, body], [head + body[:3], body[3:-1], body[-1:]]):
            message = asking.became(*parts)

            assert (message.start, message.body) == (method.encode(), NEXT), name
            assert not message.trailers
            assert not {b"upgrade", b"connection", b"te", b"trailer"} & {
                field for field, _ in message.headers
            }, name


def test_a_body_that_nobody_reads_is_no_request(
    strict: Gateway, ends: list[Strict], asking: Asking
) -> None:
    before = [len(end.all()) for end in ends]
    for path, key in (("/healthz", ""), (f"{DOORS['upstream']}/x", "muser_nonsense")):
        for fields, body in FRAMED.values():
            wire = strict.connect()
            wire.send(request("POST", path, key)[:-2] + fields + b"\r\n" + body)
            assert wire.answer().status in {100, 200, 401}
            with contextlib.suppress(OSError):
                wire.end()
            assert wire.is_closed_within(2)

    assert asking.became(asking.head(b"")).body == b""
    assert sum(len(end.all()) for end in ends) == sum(before) + 1


def test_a_request_may_be_cut_anywhere(asking: Asking) -> None:
    whole = asking.head(CHUNKED + b"X: \t y \r\n") + b"5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"

    for cut in range(1, len(whole)):
        assert asking.became(whole[:cut], whole[cut:]).body == b"hello"


def test_pipelined_requests_keep_their_bodies(asking: Asking) -> None:
    before = len(asking.end.all())
    for _ in range(3):
        for fields, body in FRAMED.values():
            asking.wire.send(asking.head(fields) + body)
    wanted = 3 * len(FRAMED)
    statuses = [asking.wire.answer().status for _ in range(wanted + 3)]
    taken = asking.end.all()[before:]

    assert (statuses.count(200), statuses.count(100)) == (wanted, 3)
    assert [each.message.body for each in taken] == [NEXT] * wanted


def test_a_head_that_came_before_is_read_anew_for_its_length(
    strict: Gateway, strict_key: str
) -> None:
    """It went the short way of repeated heads, where another length asks for something else."""
    waiting = ("Expect: 100-continue", "Content-Length: 0")
    waits = request("POST", "/proxy/strict/w", strict_key, *waiting)
    opens = request("GET", "/proxy/strict/ws", strict_key, *UPGRADE, "Content-Length: 5")
    for _ in range(4):
        assert strict.ask(waits).status == 200
        assert strict.ask(opens + b"GET /").status == 200

    wire = strict.connect().send(waits.replace(b"Length: 0", b"Length: 3"))
    assert wire.head().status == 100
    assert wire.send(b"abc").answer().status == 200
    assert strict.connect().send(opens.replace(b"Length: 5", b"Length: 0")).head().status == 101


def test_a_request_behind_one_that_came_before_is_never_taken_for_it(asking: Asking) -> None:
    one = request("GET", f"{asking.path}/one", asking.key)
    two = request("GET", f"{asking.path}/two", asking.key)
    for sent in (one, one, one, one + two, one + two, one + two, two + one, one, two):
        before = len(asking.end.all())
        asking.wire.send(sent)
        for _ in range(sent.count(b"GET")):
            asking.wire.answer()
        targets = [taken.message.target[-4:] for taken in asking.end.all()[before:]]

        assert targets == [line[-13:-9] for line in sent.splitlines() if b"GET" in line]


@pytest.mark.parametrize(
    "target", ["http://evil.test", "HTTPS://evil.test:8443", "http://[::1]:1", "http://127.0.0.1:1"]
)
def test_an_authority_in_the_target_chooses_nothing(asking: Asking, target: str) -> None:
    for host in ("gateway.test", "evil.test:1", "127.0.0.1", "strict", "LOCALHOST:99999"):
        line = f"GET {target}{asking.path}/abs HTTP/1.1\r\nHost: {host}\r\n"
        message = asking.became(f"{line}Authorization: Bearer {asking.key}\r\n\r\n".encode())

        assert message.target.endswith(b"/abs")
        assert b"evil" not in message.target
        if asking.end.own:
            assert message.values(b"host") == [b"127.0.0.1:%d" % asking.end.port]


CLAIMS = [
    "X-Momentry-User-Id", "X-Momentry-Key-Id", "X-Momentry-Request-Id", "X-Momentry-Decision",
    "X-Momentry-Anything", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
    "X-Forwarded-Port", "X-Forwarded-User", "X-Original-URL", "X-Original-Forwarded-For",
    "X-Rewrite-URL", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Forwarded",
    "X-Cluster-Client-IP", "Proxy-Authorization", "Proxy-Connection", "Keep-Alive",
    "HTTP2-Settings",
]  # fmt: skip


def test_claims_of_identity_end_here_in_head_and_trailers(asking: Asking) -> None:
    for name in CLAIMS:
        for written in (name, name.lower(), name.upper()):
            claim = f"{written}: claimed\r\n".encode()
            message = asking.became(
                asking.head(claim * 2 + CHUNKED) + b"1\r\nx\r\n0\r\n" + claim + b"\r\n"
            )

            assert b"claimed" not in [value for _, value in message.headers + message.trailers]
            assert not message.trailers


def test_credentials_end_here_in_any_spelling(asking: Asking) -> None:
    """Towards Django the judged one alone ends; on an open path none was judged."""
    if asking.end.own is None:
        return
    for field in ("AUTHORIZATION: bearer", "X-Api-Key:", "x-api-key:\t", "API-KEY:", "Api-Key: "):
        fields = f"{field} {asking.key}".encode()
        line = f"GET {asking.path}/spelt HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, cookie\r\n"
        message = asking.became(line.encode() + fields + b"\r\nCookie: momentry_session=1\r\n\r\n")

        assert asking.key not in str(message)
        assert [name for name, _ in message.headers if is_ours(name)] == [
            b"host",
            b"authorization",
            b"x-momentry-user-id",
            b"x-momentry-key-id",
            b"x-momentry-request-id",
            b"x-forwarded-for",
            b"x-forwarded-proto",
            b"x-forwarded-host",
        ]
        assert b"cookie" not in [plain(name) for name, _ in message.headers]
