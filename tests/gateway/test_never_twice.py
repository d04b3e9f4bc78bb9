"""PRX-18: what may change something is sent once, whatever becomes of it; else at most twice."""

from collections.abc import Iterator

import pytest

from tests.gateway.conftest import Start
from tests.gateway.misbehaving import OK, End, ask, close, outcome, reset, says
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire

pytestmark = pytest.mark.slow

EMPTY = OK + b"Content-Length: 0\r\n\r\n"
WRITES = ["POST", "PUT", "PATCH", "DELETE"]
SAFE = ["GET", "HEAD", "OPTIONS"]
ENDS = {"FIN": close, "RST": reset}


class Dying:
    """Answers the first request of each connection; at the second it ends the connection."""

    def __init__(self, end: End, *, said: bytes = b"", always: bool = False) -> None:
        self.end = end
        self.said = said
        self.always = always
        self.known: list[Wire] = []
        self.methods: list[str] = []

    def __call__(self, wire: Wire, head: bytes) -> None:
        method = head.split(b" ")[0].decode()
        self.methods.append(method)
        if self.always or wire in self.known:
            wire.send(self.said)
            self.end(wire)
        self.known.append(wire)
        wire.send(EMPTY)


@pytest.fixture(scope="module")
def single(start_once: Start, key: str) -> Gateway:
    return start_once().wait_until_ready()


@pytest.fixture
def alone(single: Gateway, upstream: Server) -> Iterator[Gateway]:
    """One process, so that its next request meets the connection it kept."""
    yield single
    single.close_wires()
    upstream.part()


def second(gateway: Gateway, key: str, method: str, *fields: str, body: bytes = b"") -> int:
    """The status of a request on a connection that an earlier one has left; 0 for a cut."""
    wire = gateway.connect().send(request("GET", "/proxy/echo/dies", key))
    assert outcome(wire).status == 200
    ask_again = request(method, "/proxy/echo/dies", key, *fields, body=body)
    return outcome(gateway.connect().send(ask_again), bodiless=method == "HEAD").status


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", WRITES)
def test_a_write_on_a_connection_that_dies_is_502_and_not_repeated(
    alone: Gateway, key: str, upstream: Server, method: str, end: str
) -> None:
    for fields, body in (([], b"twice?"), (["Content-Length: 0"], b"")):
        dying = Dying(ENDS[end])
        upstream.on("/dies", dying)

        assert second(alone, key, method, *fields, body=body) == 502
        assert dying.methods == ["GET", method]


@pytest.mark.parametrize("method", SAFE)
def test_a_body_makes_a_safe_method_a_write(
    alone: Gateway, key: str, upstream: Server, method: str
) -> None:
    dying = Dying(close)
    upstream.on("/dies", dying)

    assert second(alone, key, method, body=b"twice?") == 502
    assert dying.methods == ["GET", method]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", SAFE)
def test_a_safe_request_on_a_connection_that_dies_is_sent_once_more(
    alone: Gateway, key: str, upstream: Server, method: str, end: str
) -> None:
    dying = Dying(ENDS[end])
    upstream.on("/dies", dying)

    assert second(alone, key, method) == 200
    assert dying.methods == ["GET", method, method]


def test_once_more_is_not_twice_more(alone: Gateway, key: str, upstream: Server) -> None:
    dying = Dying(close)
    upstream.on("/dies", dying)
    wire = alone.connect().send(request("GET", "/proxy/echo/dies", key))
    assert outcome(wire).status == 200
    dying.always = True

    assert ask(alone, key, "/proxy/echo/dies").status == 502
    assert dying.methods == ["GET", "GET", "GET"]


@pytest.mark.parametrize("said", [b"H", b"HTTP/1.1 103 Hints\r\n\r\n", OK])
def test_what_was_answered_with_a_byte_is_not_sent_again(
    alone: Gateway, key: str, upstream: Server, said: bytes
) -> None:
    dying = Dying(close, said=said)
    upstream.on("/dies", dying)

    assert second(alone, key, "GET") == 502
    assert dying.methods == ["GET", "GET"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", [*WRITES, *SAFE])
def test_on_a_fresh_connection_nothing_is_sent_twice(
    gateway: Gateway, key: str, upstream: Server, method: str, end: str
) -> None:
    dying = Dying(ENDS[end], always=True)
    upstream.on("/fresh-death", dying)

    got = ask(gateway, key, "/proxy/echo/fresh-death", method)

    assert got.status == 502
    assert dying.methods == [method]


@pytest.mark.parametrize("status", [b"408 Late", b"429 Slow", b"500 No", b"502 No", b"503 No"])
def test_an_answer_that_asks_to_come_again_is_the_clients(
    gateway: Gateway, key: str, upstream: Server, status: bytes
) -> None:
    before = len(upstream.heads_of("/again"))
    upstream.on(
        "/again", says(b"HTTP/1.1 " + status + b"\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")
    )

    for method in ("GET", "POST"):
        assert ask(gateway, key, "/proxy/echo/again", method).status == int(status[:3])

    assert len(upstream.heads_of("/again")) == before + 2
