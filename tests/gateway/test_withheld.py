"""PRX-11: a credential in the query comes back in no head, however the upstream writes it."""

import pytest

from tests.gateway.conftest import Database
from tests.gateway.handshake import ASKED, NONCE, accepted
from tests.gateway.misbehaving import OK, hang, row_of, says
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire

SPELLINGS = ["k=s3%20cret%26", "k=s3 cret&", "k=s3+cret%26"]
URLS = {
    "/there?{}": "/there?",
    "https://host.test/a?x=1&{}": "https://host.test/a?x=1",
    "/there?{}&x=%2F#end": "/there?x=%2F#end",
    "/there?y&{}&x": "/there?y&x",
}


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_redirect_is_relayed_without_it(
    gateway: Gateway, key: str, upstream: Server, url: str, spelling: str
) -> None:
    place = url.format(spelling)
    fields = f"Location: {place}\r\nContent-Location: {place}\r\nX-Other: k=1\r\n"
    moved = f"HTTP/1.1 302 Found\r\n{fields}Content-Length: 0\r\n\r\n"
    hints = f"HTTP/1.1 103 Early Hints\r\nLink: <{place}>\r\n\r\n"
    upstream.on("/moved", says(hints.encode() + moved.encode()))

    wire = gateway.connect().send(request("GET", "/proxy/query/moved", key))
    early, got = wire.head(), wire.answer()

    assert (early.status, got.status) == (103, 302)
    assert early.field("link") == f"<{URLS[url]}>"
    assert got.field("location") == got.field("content-location") == URLS[url]
    assert got.field("x-other") == "k=1"


def test_what_it_was_sent_is_given_back_without_it(
    gateway: Gateway, key: str, upstream: Server, database: Database
) -> None:
    sent: list[bytes] = []

    def bounce(wire: Wire, head: bytes) -> None:
        sent.append(head.split(b" ")[1])
        wire.send(b"HTTP/1.1 301 Moved\r\nLocation: " + sent[0] + b"/\r\nContent-Length: 0\r\n\r\n")

    upstream.on("/bounce", bounce)

    got = gateway.get("/proxy/query/bounce?a=%41", key)

    assert sent == [b"/bounce?a=%41&k=s3%20cret%26"]
    assert got.field("location") == "/bounce?a=%41/"
    assert "cret" not in str(row_of(database, got.field("x-request-id")))


def test_neither_reason_nor_trailers_nor_what_stood_around_it_tells_it(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    pair = b"k=s3%20cret%26"
    head = b"HTTP/1.1 404 No /?%b here\r\nX: /?k=%bs3%%20cret%%26\r\n" % (pair, pair)
    chunks = b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-At: %b\r\n\r\n" % pair
    upstream.on("/told", says(head + chunks))

    wire = gateway.connect().send(request("GET", "/proxy/query/told", key))
    told = wire.until(b"\r\n\r\n") + wire.raw_chunks()

    assert told.startswith(b"HTTP/1.1 404 No /? here\r\n")
    assert told.endswith(b"0\r\nx-at: \r\n\r\n")
    assert b"cret" not in told


def test_nor_does_the_answer_that_switches_to_a_websocket(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    at = "X-At: /?k=s3%20cret%26"
    upstream.on("/switching", says(accepted(NONCE, at), hang))

    wire = gateway.connect().send(request("GET", "/proxy/query/switching", key, *ASKED))
    answer = wire.head()

    assert (answer.status, answer.field("x-at")) == (101, "/?")


def test_other_upstreams_may_say_what_they_like(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    told = OK + b"Location: /?k=s3%20cret%26\r\nContent-Length: 0\r\n\r\n"
    upstream.on("/free", says(told))

    assert gateway.get("/proxy/echo/free", key).field("location") == "/?k=s3%20cret%26"
