"""The gateway and Django without one judge the same sequence alike, and count together."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.gateway.conftest import Database
from tests.gateway.limited import limited, room
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire

PATH = "/api/v1/nothing-here"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
LIMITS: list[dict[str, int | None]] = [
    {"requests_per_minute": 3, "requests_per_month": 100},
    {"requests_per_minute": 100, "requests_per_day": 3},
    {"requests_lifetime": 3, "concurrent_requests": 1},
    {"requests_per_minute": 3, "requests_lifetime": 3},
]

Told = tuple[int, str, Any, str, str]


def by_gateway(gateway: Gateway, secret: str) -> Told:
    answer = gateway.ask(request("GET", PATH, secret))
    body = json.loads(answer.body) if answer.status == 429 else {}
    policies = answer.field("ratelimit-policy") if answer.status == 429 else ""
    again = answer.field("x-should-retry")
    return answer.status, body.get("code", ""), body.get("violated-policies"), policies, again


def by_django(secret: str) -> Told:
    answer = APIClient().get(PATH, HTTP_X_API_KEY=secret)
    body = answer.json() if answer.status_code == 429 else {}
    policies = answer.headers["RateLimit-Policy"] if answer.status_code == 429 else ""
    again = answer.headers.get("x-should-retry", "") if answer.status_code == 429 else ""
    return answer.status_code, body.get("code", ""), body.get("violated-policies"), policies, again


def not_found(wire: Wire, _head: bytes) -> None:
    wire.send(NOT_FOUND)


@pytest.mark.parametrize("limits", LIMITS, ids="+".join)
def test_both_doors_tell_the_same_and_count_together(
    gateway: Gateway, database: Database, django: Server, limits: dict[str, int | None]
) -> None:
    django.on(PATH, not_found)
    room(10)
    alone, mixed = limited(database, **limits), limited(database, **limits)
    first = [by_gateway(gateway, alone) for _ in range(5)]

    with database.rows():
        second = [by_django(mixed) if turn % 2 else by_gateway(gateway, mixed) for turn in range(5)]

    assert [told[0] for told in first] == [404] * 3 + [429] * 2
    assert second == first
