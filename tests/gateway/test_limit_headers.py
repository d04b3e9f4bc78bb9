"""QTA-09: the limit fields parse as Structured Fields and tell the truth, answer by answer."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import http_sf
import pytest

from tests.gateway import limited as keys
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer

QUOTA = 6


@pytest.fixture
def limited(database: Database) -> str:
    """A month of QUOTA requests and a day of many more."""
    name = f"h{uuid.uuid4().hex[:8]}"
    secret = database.key_for(name, "echo", monthly=QUOTA)
    database.change(
        "UPDATE apikeys_tier SET requests_per_day = 1000 WHERE slug = %s", f"tier-{name}"
    )
    return secret


def fields(answer: Answer, name: str) -> dict[str, dict[str, Any]]:
    """A list of Strings with parameters, by the String."""
    parsed: Any = http_sf.parse(answer.field(name).encode(), tltype="list")
    assert all(isinstance(item, str) for item, _ in parsed)
    return {str(item): dict(parameters) for item, parameters in parsed}


def until_month_ends() -> float:
    now = datetime.now(UTC)
    year, month = divmod(now.year * 12 + now.month, 12)
    return (datetime(year, month + 1, 1, tzinfo=UTC) - now).total_seconds()


def test_remaining_and_used_are_the_limit_in_every_answer(gateway: Gateway, limited: str) -> None:
    for used in range(1, QUOTA + 1):
        answer = gateway.get("/proxy/echo/x", limited)

        policy, left = fields(answer, "ratelimit-policy"), fields(answer, "ratelimit")
        assert answer.status == 200
        assert (policy["monthly"]["q"], left["monthly"]["r"]) == (QUOTA, QUOTA - used)
        assert (policy["daily"]["q"], left["daily"]["r"]) == (1000, 1000 - used)
        assert policy["daily"]["w"] == 86_400
        assert policy["monthly"]["w"] in {days * 86_400 for days in (28, 29, 30, 31)}
        assert abs(left["monthly"]["t"] - until_month_ends()) < 3
        assert 0 < left["daily"]["t"] <= 86_400


def test_a_used_up_quota_says_when_and_never_too_early(gateway: Gateway, limited: str) -> None:
    for _ in range(QUOTA):
        gateway.get("/proxy/echo/x", limited)

    answer = gateway.get("/proxy/echo/x", limited)

    left = fields(answer, "ratelimit")
    body = json.loads(answer.body)
    assert (answer.status, body["code"]) == (429, "quota_exceeded")
    assert left["monthly"]["r"] == 0
    assert left["daily"]["r"] == 1000 - QUOTA  # the refused one cost nothing
    assert int(answer.field("retry-after")) >= left["monthly"]["t"]
    assert int(answer.field("retry-after")) >= until_month_ends() - 1
    assert body["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert body["violated-policies"] == ["monthly"]
    assert set(body["violated-policies"]) <= set(fields(answer, "ratelimit-policy"))
    assert answer.field("x-ratelimit-limit") == str(QUOTA)
    assert answer.field("x-ratelimit-remaining") == "0"
    assert answer.field("x-ratelimit-reset") == str(left["monthly"]["t"])
    assert answer.field("x-should-retry") == "false"


def test_windows_concurrency_and_lifetime_are_told_too(
    gateway: Gateway, database: Database
) -> None:
    keys.room(5)
    limits = {
        "requests_per_second": 20, "requests_per_minute": 600, "concurrent_requests": 20,
        "requests_per_day": 900, "requests_per_month": 5000, "requests_lifetime": 70,
    }  # fmt: skip
    secret = keys.limited(database, **limits)

    answer = gateway.get("/proxy/echo/x", secret)

    policy, left = fields(answer, "ratelimit-policy"), fields(answer, "ratelimit")
    assert list(policy) == ["second", "minute", "concurrent", "daily", "monthly", "lifetime"]
    assert policy["second"] == {"q": 20, "w": 1}
    assert policy["minute"] == {"q": 600, "w": 60}
    assert policy["concurrent"] == {"q": 20, "qu": "concurrent-requests"}
    assert policy["lifetime"] == {"q": 70}
    assert left["lifetime"] == {"r": 69}
    assert left["concurrent"] == {"r": 19}
    assert left["minute"]["r"] == 599
    assert 1 <= left["minute"]["t"] <= 60


def test_legacy_fields_are_only_on_our_own_answers(gateway: Gateway, limited: str) -> None:
    forwarded = gateway.get("/proxy/echo/x", limited)
    own = gateway.get("/proxy/unknown-one/x", limited)

    assert forwarded.field("x-ratelimit-limit") == ""
    assert own.status in {403, 404}
    assert own.field("ratelimit") == ""  # refused before any limit was looked at


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/proxy/dead/x", 502, ()),
        ("/proxy/off/x", 503, ()),
        ("/proxy/small/x", 413, ("Content-Length: 20",)),
        ("/api/v1/x", 413, ("Content-Length: 10485761",)),
    ],
)
def test_what_goes_back_with_an_answer_is_left_in_it(
    gateway: Gateway, database: Database, path: str, status: int, told: tuple[str, ...]
) -> None:
    """Refused here, after the gate had let it in."""
    keys.room(5)
    limits = {"requests_per_minute": 9, "concurrent_requests": 3, "requests_per_day": 1}
    secret = keys.limited(database, **limits)

    answers = [gateway.ask(request("POST", path, secret, *told)) for _ in range(2)]
    charged = gateway.get("/proxy/echo/x", secret)

    for answer in answers:
        left = {name: said["r"] for name, said in fields(answer, "ratelimit").items()}
        assert (answer.status, left) == (status, {"minute": 9, "concurrent": 3, "daily": 1})
        assert answer.field("x-ratelimit-remaining") == "1"
    assert (charged.status, fields(charged, "ratelimit")["daily"]["r"]) == (200, 0)


def test_two_answers_on_one_connection_count_on(gateway: Gateway, limited: str) -> None:
    wire = gateway.connect()
    call = request("GET", "/proxy/echo/x", limited)

    seen = [fields(wire.send(call).answer(), "ratelimit")["monthly"]["r"] for _ in range(QUOTA)]

    assert seen == list(range(QUOTA - 1, -1, -1))


def test_a_key_without_limits_has_no_fields(gateway: Gateway, key: str) -> None:
    answer = gateway.get("/proxy/echo/x", key)

    assert answer.field("ratelimit") == answer.field("ratelimit-policy") == ""
