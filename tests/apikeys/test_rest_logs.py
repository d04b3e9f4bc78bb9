"""/admin/logs: every call once, newest first, by filters that are named, at the cost of a page."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.models import ApiKey
from apikeys.requestlog.row import LogRow
from momentry.common.ids import uuid7
from tests import make
from tests.apikeys.calls import client, pointers
from tests.apikeys.logs import ALICE, BOB, HOUR, call, day, log, table

pytestmark = pytest.mark.django_db
LOGS = "/api/v1/admin/logs"
KEY = UUID(int=0xC)


def listed(api: Any, **parameters: Any) -> dict[str, Any]:
    """Without what the questions themselves were."""
    answer = api.get(LOGS, {"until": f"{day(0):%Y-%m-%d}", **parameters})
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def ids(page: dict[str, Any]) -> list[str]:
    return [row["id"] for row in page["results"]]


def walk(api: Any, **parameters: Any) -> list[str]:
    page = listed(api, **parameters)
    found = ids(page)
    while page["next"]:
        page = listed(api, **parameters, cursor=page["next"])
        found += ids(page)
    return found


def some(count: int, at: datetime, **given: Any) -> list[LogRow]:
    rows = [call(at + timedelta(minutes=number), **given) for number in range(count)]
    log(*rows)
    return rows


def newest(*rows: LogRow) -> list[str]:
    found = sorted(rows, key=lambda row: (row.ts, row.id), reverse=True)
    return [str(row.id) for row in found]


def test_a_row_has_every_field(admin_api):
    full = call(
        day(1) + HOUR, key_id=KEY, member_id=ALICE, upstream="llm", target="https://api.test",
        method="POST", path="/proxy/llm/v1/chat", operation="chat", model="m-1", status=502,
        code="upstream_unavailable", error_detail="It closed.", first_byte_ms=1.5, total_ms=2.5,
        bytes_in=3, bytes_out=5, tokens_in=7, tokens_out=0, cost_micro=1_234_567,
        usage_source="reported", client_address="192.0.2.7", user_agent="curl/8",
    )  # fmt: skip
    log(full)

    (row,) = listed(admin_api)["results"]

    assert row == {
        "id": str(full.id), "time": f"{day(1) + HOUR:%Y-%m-%dT%H:%M:%SZ}", "key": str(KEY),
        "member": str(ALICE), "upstream": "llm", "target": "https://api.test", "method": "POST",
        "path": "/proxy/llm/v1/chat", "operation": "chat", "model": "m-1", "status": 502,
        "code": "upstream_unavailable", "error_detail": "It closed.", "first_byte_ms": 1.5,
        "total_ms": 2.5, "bytes": {"in": 3, "out": 5}, "cost": "1.234567",
        "tokens": {"in": 7, "out": 0, "cached": None, "reasoning": None},
        "usage_source": "reported", "client_address": "192.0.2.7", "user_agent": "curl/8",
    }  # fmt: skip
    assert admin_api.get(f"{LOGS}/{full.id}").status_code == 404  # the id is of another time


def test_a_walk_sees_every_row_once_while_others_come(admin_api):
    same = day(2) + HOUR
    rows = [*some(4, day(3) + HOUR), *[call(same) for _ in range(5)], *some(4, day(1))]
    log(*rows[4:9])
    page = listed(admin_api, limit=3)
    found = ids(page)
    while page["next"]:
        some(2, day(1) + HOUR)  # newer than what was seen
        page = listed(admin_api, limit=3, cursor=page["next"])
        found += ids(page)

    assert found == newest(*rows)


FILTERED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"key": KEY}, {"key_id": KEY}),
    ({"member": ALICE}, {"member_id": ALICE}),
    ({"upstream": "llm"}, {"upstream": "llm"}),
    ({"status": "429"}, {"status": 429}),
    ({"status": "4xx"}, {"status": 499}),
    ({"code": "quota_exceeded"}, {"code": "quota_exceeded"}),
    ({"method": "PATCH"}, {"method": "PATCH"}),
    ({"model": "m-1"}, {"model": "m-1"}),
    ({"member": ALICE, "status": "5xx"}, {"member_id": ALICE, "status": 503}),
]


@pytest.mark.parametrize(("asked", "given"), FILTERED, ids="-".join)
def test_a_filter_shows_its_rows_only(admin_api, asked, given):
    wanted = some(3, day(1) + HOUR, **given)
    some(2, day(1) + 2 * HOUR, member_id=BOB, upstream="other", code="x", status=300, model="n")
    some(2, day(1) + 3 * HOUR, status=500)

    assert walk(admin_api, limit=2, **asked) == newest(*wanted)


def test_calls_of_the_rest_api_have_no_upstream(admin_api):
    wanted = some(2, day(1))
    some(2, day(1), upstream="llm")

    assert walk(admin_api, upstream="-") == newest(*wanted)


def test_since_is_included_and_until_is_not(admin_api):
    some(1, day(2) - timedelta(microseconds=1))
    wanted = some(1, day(2))
    some(1, day(1))
    span = {"since": f"{day(2):%Y-%m-%d}", "until": f"{day(1):%Y-%m-%dT00:00:00+00:00}"}

    assert walk(admin_api, **span) == newest(*wanted)


def test_what_has_no_index_is_sought_in_a_week_or_as_said_and_not_in_all(admin_api):
    old = some(1, day(12), upstream="llm", member_id=ALICE)
    new = some(1, day(2), upstream="llm", member_id=ALICE)

    assert walk(admin_api) == newest(*old, *new)
    assert walk(admin_api, upstream="llm") == newest(*new)
    assert walk(admin_api, upstream="llm", member=ALICE) == newest(*old, *new)
    assert walk(admin_api, upstream="llm", since=f"{day(20):%Y-%m-%d}") == newest(*old, *new)
    wide = {"since": f"{day(40):%Y-%m-%d}"}
    assert pointers(admin_api.get(LOGS, {"upstream": "llm", **wide})) == ["?since"]
    assert walk(admin_api, member=ALICE, upstream="llm", **wide) == newest(*old, *new)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"), ("limit", "101"), ("cursor", ""), ("cursor", "x"), ("since", "yesterday"),
        ("since", "0001-01-01T00:00:00+14:00"), ("until", "10000-01-01"), ("key", "x"),
        ("member", "1"), ("upstream", "x" * 61), ("status", "0"), ("status", "9xx"),
        ("status", "2000"), ("status", "٤٠٤"), ("code", "x" * 41), ("method", "x" * 17),
        ("model", ""),
        ("ordering", "ts"), ("page", "1"), ("path", "/x"), ("user_agent", "x"), ("id", "x"),
    ],
)  # fmt: skip
def test_what_is_not_asked_well_is_refused(admin_api, name, value):
    assert pointers(admin_api.get(LOGS, {name: value})) == [f"?{name}"]


def test_an_end_before_the_beginning_is_refused(admin_api):
    span = {"since": f"{day(1):%Y-%m-%d}", "until": f"{day(1):%Y-%m-%d}"}

    assert pointers(admin_api.get(LOGS, span)) == ["?since"]
    assert pointers(admin_api.get(f"{LOGS}?limit=1&limit=2")) == ["?limit"]


def test_a_page_is_one_statement_that_counts_nothing_and_joins_nothing(admin_api):
    some(30, day(1))
    with CaptureQueriesContext(connection) as few:
        listed(admin_api, limit=1)
    with CaptureQueriesContext(connection) as many:
        listed(admin_api, limit=30)

    assert len(few) == len(many)
    assert not any("COUNT(" in query["sql"].upper() for query in many)
    (asked,) = [query["sql"] for query in many if 'FROM "apikeys_requestlog"' in query["sql"]]
    assert "JOIN" not in asked
    assert asked.endswith("LIMIT 31")


def plan_of(api: Any, **parameters: Any) -> str:
    with CaptureQueriesContext(connection) as queries:
        listed(api, **parameters)
    (asked,) = [query["sql"] for query in queries if 'FROM "apikeys_requestlog"' in query["sql"]]
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort"):  # what is quick with a row or two
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {asked}")
        return "\n".join(row[0] for row in cursor.fetchall())


def test_the_plan_leaves_out_days_and_sorts_nothing(admin_api):
    for number in range(1, 10):
        some(2, day(number), member_id=ALICE)
    page = listed(admin_api, limit=9)  # to day(5)
    days = {number: table(number) for number in range(10)}

    for asked in ({"cursor": page["next"]}, {"cursor": page["next"], "member": ALICE}):
        plan = plan_of(admin_api, since=f"{day(7):%Y-%m-%d}", **asked)
        assert {number for number, name in days.items() if name in plan} == {5, 6, 7}
        assert "Seq Scan" not in plan
        assert "Sort" not in plan.replace("Incremental Sort", "").replace("Sort Key", "")
    ordered = plan_of(admin_api, cursor=page["next"])
    assert "Sort" not in ordered
    assert re.search(r"Index Cond: .*\(ts <= ", ordered)  # begins at the place, reads over nothing
    assert {number for number, name in days.items() if name in ordered} == {5, 6, 7, 8, 9}


def test_one_call_by_its_request_id(admin_api):
    row = call(datetime.now(UTC), path="/proxy/llm/x")
    log(row)

    found = admin_api.get(f"{LOGS}/{row.id}").json()

    assert (found["id"], found["path"]) == (str(row.id), "/proxy/llm/x")
    assert pointers(admin_api.get(f"{LOGS}/{row.id}?x=1")) == ["?x"]


@pytest.mark.parametrize(
    "wanted", [uuid7(), uuid4(), UUID("ffffffff-ffff-7fff-bfff-ffffffffffff"), UUID(int=0)]
)
def test_an_id_of_nothing_is_not_found(admin_api, wanted):
    assert admin_api.get(f"{LOGS}/{wanted}").status_code == 404


def test_the_call_that_asks_is_in_it_too(admin_api):
    first = admin_api.get(LOGS).headers["X-Request-ID"]

    assert admin_api.get(LOGS).json()["results"][0]["id"] == first


def test_it_takes_the_scope_and_no_members_key(db):
    named = make.service_key("metrics")
    assert client(named.secret).get(LOGS).json()["code"] == "insufficient_scope"
    member = make.key()
    ApiKey.objects.filter(pk=named.key.pk).update(scopes=["logs:read"])
    ApiKey.objects.filter(pk=member.key.pk).update(scopes=["*:*"])

    assert client(named.secret).get(LOGS).status_code == 200
    assert client(member.secret).get(LOGS).json()["code"] == "permission_denied"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_writes_it(admin_api, method):
    row = call(datetime.now(UTC))
    log(row)

    assert getattr(admin_api, method)(LOGS, {}).status_code == 405
    assert getattr(admin_api, method)(f"{LOGS}/{row.id}", {}).status_code == 405
