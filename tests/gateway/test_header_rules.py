"""Header rules of an upstream: on both ways through the gateway, in both directions."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.gateway.conftest import Database
from tests.gateway.misbehaving import says
from tests.gateway.processes import Gateway, request
from tests.gateway.test_upstreams_live import UPSTREAMS, House
from tests.gateway.wire import Answer, Server, with_trailers

ANSWER = b"HTTP/1.1 200 OK\r\nServer: up\r\nX_Old: 1\r\nX-Old: 2\r\nX-Kept: 3\r\n"
Rules = list[dict[str, str]]


def rule(action: str, on: str, name: str, value: str = "") -> dict[str, str]:
    return {"action": action, "on": on, "name": name} | ({"value": value} if value else {})


@pytest.fixture
def ruled(
    database: Database, gateway: Gateway, upstream: Server
) -> Iterator[Callable[[Rules], House]]:
    made = House(database, gateway, upstream)

    def make(rules: Rules, **given: Any) -> House:
        made.make(header_rules=rules, **given)
        return made

    with database.rows():
        yield make
        made.api.delete(f"{UPSTREAMS}/{made.slug}")


def fields(body: bytes) -> list[tuple[str, str]]:
    """Of what a mirror was sent; names as it got them."""
    head = body.partition(b"\r\n\r\n")[0].decode("latin-1")
    pairs = [line.partition(": ") for line in head.split("\r\n")[1:]]
    return [(name, value) for name, _, value in pairs]


def of(body: bytes, *names: str) -> list[tuple[str, str]]:
    return [field for field in fields(body) if field[0].lower().replace("_", "-") in names]


def test_a_requests_fields_are_set_added_and_removed(ruled: Callable[[Rules], House]) -> None:
    house = ruled([
        rule("set", "request", "OpenAI-Organization", "org-1"),
        rule("add", "request", "X-Tag", "gateway"), rule("remove", "request", "User-Agent"),
        rule("remove", "request", "cookie"), rule("set", "response", "X-Down", "no"),
    ])  # fmt: skip
    given = ("openai-organization: mine", "OpenAI_Organization: mine", "X-Tag: mine", "Cookie: a=b",
             "User-Agent: me", "Accept: */*")  # fmt: skip

    sent = house.gateway.get(f"/proxy/{house.slug}/x", house.key, *given).body

    names = ("openai-organization", "x-tag", "user-agent", "cookie", "accept", "x-down")
    assert of(sent, *names) == [
        ("x-tag", "mine"), ("accept", "*/*"), ("OpenAI-Organization", "org-1"),
        ("X-Tag", "gateway"),
    ]  # fmt: skip
    assert ("Authorization", "Bearer first-0123456789abcdef") in fields(sent)


def test_also_of_a_request_that_came_before(ruled: Callable[[Rules], House]) -> None:
    house = ruled([rule("set", "request", "X-Tag", "one"), rule("set", "response", "X-Down", "a")])
    wire = house.gateway.connect()
    call = request("GET", f"/proxy/{house.slug}/x", house.key, "X-Tag: mine")

    def ask() -> tuple[list[tuple[str, str]], str]:
        answer: Answer = wire.send(call).answer()
        return of(answer.body, "x-tag"), answer.field("x-down")

    before = [ask() for _ in range(5)]
    house.change(header_rules=[rule("set", "request", "X-Tag", "two")])
    after = [ask() for _ in range(5)]

    assert before == [([("X-Tag", "one")], "a")] * 5
    assert after == [([("X-Tag", "two")], "")] * 5


def test_an_answers_fields_are_set_added_and_removed(
    ruled: Callable[[Rules], House], upstream: Server
) -> None:
    upstream.on("/ruled", says(ANSWER + b"Content-Length: 2\r\n\r\nok"))
    house = ruled([
        rule("remove", "response", "Server"), rule("set", "response", "X-Old", "new"),
        rule("add", "response", "X-Kept", "4"), rule("add", "response", "X-Kept", "5"),
        rule("set", "response", "Strict-Transport-Security", "max-age=1"),
        rule("remove", "request", "X-Kept"),
    ])  # fmt: skip

    answer = house.gateway.get(f"/proxy/{house.slug}/ruled", house.key)

    assert (answer.status, answer.body) == (200, b"ok")
    assert (answer.field("server"), answer.field("x_old"), answer.field("x-old")) == ("", "", "new")
    assert answer.field("x-kept") == "3, 4, 5"
    assert answer.field("strict-transport-security") == "max-age=1"


def test_what_is_removed_comes_in_no_interim_answer_and_no_trailer_either(
    ruled: Callable[[Rules], House], upstream: Server
) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nX-Secret: 1\r\nLink: </a>\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Secret: 2\r\n\r\n"
    upstream.on("/trailing", says(hints + head + b"0\r\nX-Secret: 3\r\nX-Sum: 4\r\n\r\n"))
    house = ruled([rule("remove", "response", "X-Secret"), rule("set", "response", "X-New", "1")])

    wire = house.gateway.connect()
    wire.send(request("GET", f"/proxy/{house.slug}/trailing", house.key))
    early, last = wire.head(), wire.head()
    _, trailers = with_trailers(wire.raw_chunks())

    assert (early.field("link"), early.field("x-secret"), early.field("x-new")) == ("</a>", "", "")
    assert (last.field("x-secret"), last.field("x-new")) == ("", "1")
    assert trailers == b"x-sum: 4\r\n\r\n"


def test_rules_follow_one_another(ruled: Callable[[Rules], House]) -> None:
    house = ruled([
        rule("add", "request", "X-A", "1"), rule("set", "request", "X-A", "2"),
        rule("add", "request", "X-A", "3"), rule("add", "request", "X-B", "1"),
        rule("remove", "request", "X-B"),
    ])  # fmt: skip

    sent = house.gateway.get(f"/proxy/{house.slug}/x", house.key, "X-A: 0", "X-B: 0").body

    assert of(sent, "x-a", "x-b") == [("X-A", "2"), ("X-A", "3")]


def test_a_rule_that_no_service_would_have_saved_stops_its_upstream(
    ruled: Callable[[Rules], House], database: Database
) -> None:
    """Rather than that it is half obeyed, or breaks a line."""
    house = ruled([])
    statement = "UPDATE proxy_upstream SET header_rules = %s::jsonb WHERE slug = %s"
    bad = '[{"action": "set", "on": "request", "name": "X-A", "value": "a\\r\\nHost: evil"}]'
    database.change(statement, bad, house.slug)

    assert house.call() == "upstream_unavailable"
