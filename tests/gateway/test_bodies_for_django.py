"""RES-01: a body for Django is kept whole there, so it has an end here."""

import pytest

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server

LIMIT = 10 << 20


@pytest.mark.parametrize("path", ["/nonexistent", "/api/v1/webhooks/wordpress"])
def test_a_sized_body_over_the_limit_is_413_before_it_is_sent(
    gateway: Gateway, django: Server, path: str
) -> None:
    answer = gateway.ask(request("POST", path, "", "X-Mark: sized", f"Content-Length: {LIMIT + 1}"))

    assert answer.status == 413
    assert b'"body_too_large"' in answer.body
    assert django.heads_with("X-Mark: sized") == []


def test_a_chunked_body_over_the_limit_is_cut(gateway: Gateway, django: Server) -> None:
    wire = gateway.connect().send(request("POST", "/big", "", "Transfer-Encoding: chunked"))
    chunk = b"%x\r\n%b\r\n" % (1 << 20, b"x" * (1 << 20))

    for _ in range(10):
        wire.send(chunk)
    wire.send(chunk)

    assert wire.answer().status == 413


def test_who_ended_its_side_is_closed_after_the_answer(gateway: Gateway, django: Server) -> None:
    wire = gateway.connect().send(request("GET", "/quick"))
    wire.end()

    assert wire.answer().status == 200
    assert wire.is_closed_within(2)
