"""QTA-09 at Django's door: an answer whose units go back tells what is left with them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from apikeys.gate.decision import HEADER, PURPOSE, Decision, sign
from apikeys.gate.verdict import Charge, Entry, Limit, Verdict
from apikeys.gate.windows import returned
from apikeys.models import LimitOverride
from momentry.common.crypto.keyring import get_ring
from tests import make
from tests.apikeys.calls import client
from tests.gateway.limited import room

ME, DENIED, COSTS_ONE = "/api/v1/me", "/api/v1/admin/users", "/api/v1/nothing-here"
ALL = {"minute": 9, "concurrent": 3, "daily": 1, "monthly": 7, "lifetime": 8, "key-daily": 2}
AT = datetime(2026, 11, 21, tzinfo=UTC)
END = AT + timedelta(days=1)


def left(answer) -> dict[str, int]:
    pairs = [item.split(";")[:2] for item in answer.headers["RateLimit"].split(", ")]
    return {name.strip('"'): int(rest.removeprefix("r=")) for name, rest in pairs}


@pytest.fixture
def limited():
    tier = make.tier(
        "t-back", requests_per_minute=9, concurrent_requests=3,
        requests_per_day=1, requests_per_month=7, requests_lifetime=8,
    )  # fmt: skip
    issued = make.key(make.member("back", tier=tier.slug))
    LimitOverride.objects.create(key=issued.key, name="requests_per_day", value=2)
    return issued


@pytest.mark.django_db
def test_what_django_denies_tells_what_is_left_after_it(limited):
    room(5)
    caller = client(limited.secret)

    denied = caller.get(DENIED)
    told = {limit["name"]: limit["remaining"] for limit in caller.get(ME).json()["limits"]}

    assert (denied.status_code, left(denied)) == (403, ALL)
    assert denied.headers["X-RateLimit-Remaining"] == "1"
    assert told == ALL | {"minute": 8, "concurrent": 2}  # of this call itself
    charged = caller.get(COSTS_ONE)
    assert (charged.status_code, left(charged)["daily"]) == (404, 0)


@pytest.mark.django_db
def test_what_it_denies_behind_the_gateway_does_too(limited, api):
    key, ring = limited.key, get_ring()
    member = f"member:{key.owner_id.hex}"
    verdict = Verdict(
        ok=True, actor="key", key_id=key.pk, member_id=key.owner_id, key_type="user",
        charges=(Charge(member, "requests", "day", AT, 1),),
        limits=(
            Limit("minute", "requests", 9, 8, datetime.now(UTC) + timedelta(minutes=1), 60),
            Limit("concurrent", "concurrent-requests", 3, 2, None, 0),
            Limit("daily", "requests", 5, 4, datetime.now(UTC) + timedelta(days=1), 86_400),
        ),
        entry=Entry(("counter",), 1, ("slots",), "token", shared=True),
    )  # fmt: skip
    made = Decision("x", time.time(), "GET", DENIED, "127.0.0.1", verdict)
    header = {HEADER: sign(made, ring.derive(PURPOSE)).decode()}

    answer = api.get(DENIED, headers=header)

    assert answer.status_code == 403
    assert left(answer) == {"minute": 9, "concurrent": 3, "daily": 5}


def test_each_limit_gets_back_what_was_taken_of_it():
    charges = (
        Charge("member:1", "requests", "day", AT, 3), Charge("key:2", "requests", "day", AT, 3),
        Charge("member:1", "tokens", "month", AT, 500),
    )  # fmt: skip
    units = {
        "second": 1, "key-minute": 1, "concurrent": 1, "daily": 3, "key-daily": 3,
        "monthly": 0, "tokens-monthly": 500,
    }  # fmt: skip
    limits = tuple(Limit(name, "requests", 999, 10, END, 60) for name in units)

    found = returned(limits, Entry(("c",), 1, ("s",), "t", shared=True), charges)

    assert {limit.name: limit.remaining - 10 for limit in found} == units
    assert returned(limits, None) == limits
    bare = returned(limits, Entry(("c",), 1, (), "", shared=True))
    assert [limit.remaining for limit in bare] == [11, 11, 10, 10, 10, 10, 10]
