"""PRX-16: whoever waits for 100 (Continue) and is refused is told so at once, and what comes after
is read as what it is: the body that was announced, or nothing (RFC 9110 §10.1.1)."""

import uuid
from collections.abc import Callable
from typing import Final, NamedTuple

import pytest

from tests.gateway.conftest import Database
from tests.gateway.limited import limited, room
from tests.gateway.misbehaving import says
from tests.gateway.processes import Gateway, request
from tests.gateway.test_lock_out import unknown
from tests.gateway.test_log_every_code import agree
from tests.gateway.wire import Answer, Server, Wire

pytestmark = pytest.mark.slow

WAITS: Final = "Expect: 100-continue"


class Case(NamedTuple):
    """One way to be refused."""

    secret: str
    path: str
    status: int
    code: str
    size: int = 30

    def head(self, framing: str, mark: str) -> bytes:
        fields = (framing.format(size=self.size), WAITS, f"X-Mark: {mark}")
        return request("POST", self.path, self.secret, *fields)


def spent(gateway: Gateway, database: Database, **limits: int) -> str:
    """A key whose limits are used up."""
    room(3)
    secret = limited(database, **limits)
    assert gateway.get("/proxy/echo/x", secret).status == 200
    return secret


UP, HERE = "/proxy/echo/up-load", "/up-load"
Make = Callable[[Gateway, Database, str], Case]
CASES: Final[dict[str, Make]] = {
    "no key": lambda *_: Case("", UP, 401, "missing_key"),
    "an unknown key": lambda *_: Case(unknown(), UP, 401, "invalid_key"),
    "an unknown key for Django": lambda *_: Case(unknown(), "/api/v1/x", 401, "invalid_key"),
    "not granted": lambda _g, _d, key: Case(key, "/proxy/other/x", 403, "upstream_forbidden"),
    "no upstream": lambda _g, _d, key: Case(key, "/proxy/gone/x", 404, "upstream_unknown"),
    "not this path": lambda _g, _d, key: Case(key, "/proxy/echo/..", 400, "path_refused"),
    "a minute": lambda g, d, _: Case(spent(g, d, requests_per_minute=1), UP, 429, "rate_limited"),
    "a month": lambda g, d, _: Case(spent(g, d, requests_per_month=1), UP, 429, "quota_exceeded"),
    "switched off": lambda _g, _d, key: Case(key, "/proxy/off/x", 503, "upstream_unavailable"),
    "to nowhere": lambda _g, _d, key: Case(key, "/proxy/dead/x", 502, "upstream_unreachable"),
}
BY_LENGTH: Final[dict[str, Make]] = {
    "too large": lambda _g, _d, key: Case(key, "/proxy/small/x", 413, "body_too_large", 11),
    "too large for Django": lambda *_: Case("", HERE, 413, "body_too_large", (10 << 20) + 1),
}
SIZED, IN_CHUNKS = "Content-Length: {size}", "Transfer-Encoding: chunked"
WAYS: Final[dict[str, tuple[Make, str]]] = {
    **{name: (make, SIZED) for name, make in (CASES | BY_LENGTH).items()},
    **{f"{name}, in chunks": (make, IN_CHUNKS) for name, make in CASES.items()},
}


def refused(wire: Wire, database: Database, case: Case) -> Answer:
    answer = wire.answer()
    assert answer.status == case.status
    agree(database, answer, case.code)
    return answer


def nobody_saw(mark: str, *servers: Server) -> bool:
    return all(server.heads_with(f"X-Mark: {mark}") == [] for server in servers)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_refused_before_the_body_and_the_connection_ends(
    gateway: Gateway,
    database: Database,
    key: str,
    upstream: Server,
    django: Server,
    way: str,
) -> None:
    """Nothing of the body was sent. Whether its client sends it all the same, or goes on with
    another request, cannot be told: so neither is read."""
    make, framing = WAYS[way]
    case, mark = make(gateway, database, key), uuid.uuid4().hex
    wire = gateway.connect().send(case.head(framing, mark))

    answer = refused(wire, database, case)

    assert answer.field("connection") == "close"
    wire.send(request("GET", UP, key, f"X-Mark: {mark}"))
    assert wire.rest() == b""
    assert nobody_saw(mark, upstream, django)


@pytest.mark.parametrize("framing", [SIZED, IN_CHUNKS])
@pytest.mark.parametrize("name", CASES)
def test_who_did_not_wait_keeps_the_connection(
    gateway: Gateway,
    database: Database,
    key: str,
    upstream: Server,
    django: Server,
    name: str,
    framing: str,
) -> None:
    """The body came with its head: it is thrown away whole; what follows is the next request."""
    case, mark = CASES[name](gateway, database, key), uuid.uuid4().hex
    text = request("GET", "/proxy/echo/smuggled", key)
    body = text if framing == SIZED else b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text)
    case = case._replace(size=len(text))
    wire = gateway.connect().send(case.head(framing, mark) + body + request("GET", "/healthz"))

    answer = refused(wire, database, case)

    if name != "to nowhere":  # by then the body was being read
        assert answer.field("connection") == ""
        assert wire.answer().body == b"ok\n"
    assert nobody_saw(mark, upstream, django)


@pytest.mark.parametrize(
    ("version", "fields"), [("1.1", "Content-Length: 0"), ("1.1", ""), ("1.0", "Content-Length: 2")]
)
def test_where_there_is_nothing_to_wait_for_nobody_is_told_to_go_on(
    gateway: Gateway, key: str, version: str, fields: str
) -> None:
    """Without a body, and from HTTP/1.0, which knows no 1xx."""
    lines = [f"POST {UP} HTTP/{version}", "Host: x", f"X-API-Key: {key}", WAITS, fields]
    head = "\r\n".join([line for line in lines if line]) + "\r\n\r\n"

    wire = gateway.connect().send(head.encode() + (b"ab" if version == "1.0" else b""))

    assert wire.answer().status == 200


def test_an_upstream_that_answers_at_once_gets_no_body_asked_for_twice(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    """Once it was asked for, the answer may still come before the body: the connection ends."""
    final = b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"
    upstream.on("/at-once", says(b"HTTP/1.1 100 Continue\r\n\r\n" + final))
    wire = gateway.connect()
    wire.send(request("POST", "/proxy/echo/at-once", key, "Content-Length: 5", WAITS))

    assert wire.head().status == 100
    answer = wire.answer()

    assert (answer.status, answer.body, answer.field("connection")) == (403, b"no", "close")
    assert wire.is_closed_within(3)
