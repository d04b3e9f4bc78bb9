"""PRX-14, PRX-19: an upstream that ends too soon is 502, or a cut that the client can see."""

import os
from collections.abc import Iterator

import pytest
from redis import Redis

from tests import make
from tests.gateway.books import used
from tests.gateway.conftest import Database
from tests.gateway.limited import limited, slots, subject_of
from tests.gateway.misbehaving import (
    CHUNKED,
    OK,
    SIZED,
    Rude,
    all_sockets_to,
    ask,
    close,
    reset,
    row_of,
    says,
)
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server, within

pytestmark = pytest.mark.slow

ENDS = {"FIN": close, "RST": reset}
NO_HEAD = {
    "at once": b"",
    "in the status line": b"HTTP/1.1 2",
    "after the status line": OK,
    "in a field": OK + b"Content-Len",
    "after a field": OK + b"Content-Length: 3\r\n",
    "before the head's last byte": OK + b"Content-Length: 3\r\n\r",
    "after an interim answer": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
}
NO_END = {
    "after the head": SIZED,
    "in a sized body": SIZED + b"123456789",
    "after a chunked head": CHUNKED,
    "in a chunk's size": CHUNKED + b"5",
    "in a chunk's extension": CHUNKED + b"5;a=",
    "after a chunk's size": CHUNKED + b"5\r\n",
    "in a chunk": CHUNKED + b"5\r\nabc",
    "after a chunk's bytes": CHUNKED + b"5\r\nabcde",
    "after a chunk": CHUNKED + b"5\r\nabcde\r\n",
    "in the last size": CHUNKED + b"5\r\nabcde\r\n0",
    "after the last size": CHUNKED + b"5\r\nabcde\r\n0\r\n",
    "in trailers": CHUNKED + b"5\r\nabcde\r\n0\r\nX-Sum: ",
    "after a trailer": CHUNKED + b"5\r\nabcde\r\n0\r\nX-Sum: 1\r\n",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("stage", NO_HEAD)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_end_before_the_answers_head_is_502(
    gateway: Gateway,
    database: Database,
    key: str,
    upstream: Server,
    method: str,
    stage: str,
    end: str,
) -> None:
    upstream.on("/ends", says(NO_HEAD[stage], ENDS[end]))
    before = len(upstream.heads_of("/ends"))

    fields = ["Content-Length: 0"] if method == "POST" else []
    got = ask(gateway, key, "/proxy/echo/ends", method, *fields)

    assert (got.status, got.code, got.is_whole) == (502, "upstream_failed", True)
    row = row_of(database, got.request_id)
    assert (row["status"], row["code"]) == (502, "upstream_failed")
    assert len(upstream.heads_of("/ends")) == before + 1
    assert within(1, lambda: all_sockets_to(gateway, upstream) == 0)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("stage", NO_END)
def test_an_end_within_the_answer_is_a_cut_that_shows(
    gateway: Gateway, database: Database, key: str, upstream: Server, stage: str, end: str
) -> None:
    upstream.on("/cuts", says(NO_END[stage], ENDS[end]))

    got = ask(gateway, key, "/proxy/echo/cuts")

    assert (got.status, got.is_whole) == (200, False)
    row = row_of(database, got.request_id)
    assert (row["status"], row["code"]) == (200, "upstream_failed")
    assert within(1, lambda: all_sockets_to(gateway, upstream) == 0)


def test_without_a_length_the_end_is_the_end_and_a_reset_is_a_cut(
    gateway: Gateway, database: Database, key: str, upstream: Server
) -> None:
    upstream.on("/fin", says(OK + b"\r\nall of it", close))
    upstream.on("/rst", says(OK + b"\r\nall of it", reset))

    whole, cut = ask(gateway, key, "/proxy/echo/fin"), ask(gateway, key, "/proxy/echo/rst")

    assert (whole.status, whole.body, whole.is_whole) == (200, b"all of it", True)
    assert (cut.status, cut.is_whole) == (200, False)
    assert row_of(database, whole.request_id)["code"] == ""
    assert row_of(database, cut.request_id)["code"] == "upstream_failed"


@pytest.mark.parametrize("end", ENDS)
def test_an_upstream_that_closes_as_soon_as_it_is_connected_is_502(
    gateway: Gateway, database: Database, key: str, end: str
) -> None:
    door = Rude(ENDS[end])
    with database.rows():
        made = make.upstream("rude", f"http://127.0.0.1:{door.port}")
    secret = database.key_for(f"rude-{end}", "rude")

    found = [ask(gateway, secret, "/proxy/rude/", method) for method in ("GET", "POST") * 10]

    assert {(got.status, got.code) for got in found} == {(502, "upstream_failed")}
    assert within(1, lambda: all_sockets_to(gateway, door) == 0)
    door.stop()
    with database.rows():
        made.delete()


@pytest.fixture
def redis() -> Iterator[Redis]:
    client = Redis.from_url(os.environ["REDIS_URL"])
    yield client
    client.close()


def test_the_slot_is_free_again_and_what_was_sent_is_charged(
    gateway: Gateway, database: Database, redis: Redis, upstream: Server
) -> None:
    """docs/keys-and-limits.md: what reached the upstream counts, also when nothing came back."""
    secret = limited(database, concurrent_requests=1, requests_per_day=5000)
    subject = subject_of(database, secret)
    cases = [*NO_HEAD.values(), *NO_END.values()]
    for raw in cases:
        upstream.on("/charged", says(raw, reset))
        assert ask(gateway, secret, "/proxy/echo/charged").status in {200, 502}
        assert within(1, lambda: slots(redis, subject) == 0)
    for _ in range(5):  # never sent
        assert ask(gateway, secret, "/proxy/dead/x").code == "upstream_unreachable"
        assert within(1, lambda: slots(redis, subject) == 0)

    assert used(database, secret) == len(cases)
