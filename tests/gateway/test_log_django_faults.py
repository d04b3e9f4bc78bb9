"""PRX-14, PRX-19: Django as the upstream that fails: each code as documented, and in the row."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.gateway.books import used
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import limited
from tests.gateway.misbehaving import (
    CHUNKED,
    OK,
    SIZED,
    Rude,
    ask,
    close,
    hang,
    reset,
    row_of,
    says,
)
from tests.gateway.processes import Gateway, request
from tests.gateway.test_log_every_code import agree
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

ENDS: Final[dict[str, Callable[[Wire], None]]] = {"FIN": close, "RST": reset}
NO_HEAD: Final = {
    "at once": b"",
    "in the status line": b"HTTP/1.1 2",
    "after a field": OK + b"Content-Length: 3\r\n",
    "with nonsense": b"Traceback (most recent call last):\r\n\r\n",
    "with two framings": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
}
NO_END: Final = {
    "in a sized body": SIZED + b"abc",
    "in a chunk": CHUNKED + b"5\r\nabc",
    "in its trailers": CHUNKED + b"5\r\nabcde\r\n0\r\nX-Sum: ",
}
ROUTES: Final = {"/api/v1/broken": True, "/broken/page": False}  # is an answer that began logged?


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("stage", NO_HEAD)
@pytest.mark.parametrize("route", ROUTES)
def test_an_end_before_the_answers_head_is_502(
    gateway: Gateway, database: Database, key: str, django: Server, route: str, stage: str, end: str
) -> None:
    django.on(route, says(NO_HEAD[stage], ENDS[end]))

    for method, fields in (("GET", []), ("POST", ["Content-Length: 0"])):
        before = len(django.heads_of(route))
        answer = gateway.ask(request(method, route, key, *fields))

        assert answer.status == 502
        row = agree(database, answer, "upstream_failed")
        assert (row["path"], row["target"]) == (route, "")
        assert len(django.heads_of(route)) == before + 1


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("stage", NO_END)
def test_an_end_within_the_answer_is_a_cut_that_shows(
    gateway: Gateway, database: Database, key: str, django: Server, stage: str, end: str
) -> None:
    for route, is_logged in ROUTES.items():
        django.on(route, says(NO_END[stage], ENDS[end]))

        got = ask(gateway, key, route)

        assert (got.status, got.is_whole) == (200, False)
        if is_logged:
            row = row_of(database, got.request_id)
            assert (row["status"], row["code"]) == (200, "upstream_failed")


@pytest.mark.parametrize("end", ENDS)
def test_a_django_that_ends_every_connection(
    start: Start, database: Database, key: str, end: str
) -> None:
    """As one that is being started again: reached, and gone."""
    door = Rude(ENDS[end])
    gateway = start(DJANGO_SOCKET=f"127.0.0.1:{door.port}").wait_until_listening()

    for route in ROUTES:
        agree(database, gateway.get(route, key), "upstream_failed")
        agree(
            database,
            gateway.ask(request("POST", route, key, "Content-Length: 0")),
            "upstream_failed",
        )
    door.stop()


def test_a_django_that_goes_and_comes_back(
    start: Start, database: Database, django: Server, key: str
) -> None:
    """Where it does not accept nothing was sent, and nothing is charged."""
    secret = limited(database, requests_per_month=1000)
    gateway = start(DJANGO_SOCKET="127.0.0.1:9").wait_until_listening()
    for route in (*ROUTES, "/api/v1/me"):
        for method in ("GET", "POST"):
            fields = [] if method == "GET" else ["Content-Length: 3"]
            answer = gateway.ask(request(method, route, secret, *fields) + b"abc" * bool(fields))
            assert answer.status == 503
            assert int(answer.field("retry-after")) >= 1
            agree(database, answer, "not_ready")
    assert within(3, lambda: used(database, secret) == 0)


def test_a_client_that_leaves_a_django_that_hangs(
    gateway: Gateway, database: Database, key: str, django: Server
) -> None:
    django.on("/api/v1/hangs", says(b"", hang))
    before = django.open
    wire = gateway.connect().send(request("GET", "/api/v1/hangs", key, "User-Agent: leaves-early"))
    assert within(3, lambda: len(django.heads_of("/api/v1/hangs")) == 1)
    wire.close()

    assert within(1, lambda: django.open <= before)
    query = "SELECT status, code FROM apikeys_requestlog WHERE user_agent = 'leaves-early'"
    assert within(3, lambda: database.fetch(query) == [(499, "")])
