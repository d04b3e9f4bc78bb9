"""/me/usage and /admin/usage: sums of roll-up and log together, each to whom it belongs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from apikeys.models import ApiKey, Grant
from apikeys.requestlog.row import LogRow
from apikeys.usage.query import Question, read_usage
from apikeys.usage.rollup import roll_up_all
from tests import make
from tests.apikeys.calls import client, pointers
from tests.apikeys.logs import HOUR, call, day, log

pytestmark = pytest.mark.django_db
MINE, ALL = "/api/v1/me/usage", "/api/v1/admin/usage"
NOW = datetime.now(UTC)
DIMENSIONS = ("hour", "day", "key", "member", "upstream", "operation", "status", "model")


def of(issued: Any, ts: datetime, **given: Any) -> LogRow:
    return call(ts, key_id=issued.key.pk, member_id=issued.key.owner_id, **given)


@pytest.fixture
def alice():
    return make.key(make.member("alice"))


@pytest.fixture
def bob():
    return make.key(make.member("bob"))


def ask(caller: Any, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = caller.get(path, {"page_size": 100, **parameters})
    assert answer.status_code == 200, answer.content
    with connection.cursor() as cursor:  # the question itself was a call, too
        cursor.execute("DELETE FROM apikeys_requestlog WHERE operation LIKE %s", ["%/usage"])
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def dates(first: int, last: int) -> dict[str, str]:
    return {"from": f"{day(first):%Y-%m-%d}", "to": f"{day(last):%Y-%m-%d}"}


def test_a_bucket_has_every_field(alice):
    full = of(
        alice, day(3) + HOUR, operation="api/v1/me", total_ms=1.25, bytes_in=3, bytes_out=5,
        tokens_in=7, tokens_out=11, tokens_cached=2, tokens_reasoning=1, cost_micro=1_234_567,
    )  # fmt: skip
    log(full, of(alice, day(3) + 2 * HOUR, status=503, total_ms=2.5, operation="api/v1/me"))

    (bucket,) = ask(client(alice.secret), MINE)

    assert bucket == {
        "period_start": f"{day(3):%Y-%m-%dT00:00:00Z}",
        "period_end": f"{day(2):%Y-%m-%dT00:00:00Z}",
        "group": {}, "total_requests": 2, "successful_requests": 1, "failed_requests": 1,
        "total_response_time_ms": 3.75, "tool_usage": {"api/v1/me": 2},
        "tokens": {"in": 7, "out": 11, "cached": 2, "reasoning": 1}, "cost": "1.234567",
        "bytes": {"in": 3, "out": 5},
    }  # fmt: skip


def mixed(alice: Any, bob: Any) -> None:
    """Calls of three kinds of callers over five days and the hour that runs."""
    Grant.objects.create(member=alice.key.owner, upstream="llm")
    moments = [day(number) + 7 * HOUR for number in range(1, 6)]
    for number, ts in enumerate([*moments, day(4), day(3) - timedelta(microseconds=1), NOW]):
        who = (alice, bob)[number % 2]
        log(
            of(who, ts, upstream="llm", model=f"m{number % 3}", total_ms=number / 8),
            of(who, ts, operation="api/v1/me", status=200 + 100 * (number % 4), cost_micro=3),
            call(ts, status=401, upstream=f"odd{number}"),
        )


@pytest.mark.parametrize("group", DIMENSIONS)
def test_any_grouping_sums_to_the_same_before_and_after_the_roll_up(group, alice, bob, admin_api):
    mixed(alice, bob)
    span = dates(6, -1)
    before = ask(admin_api, ALL, group_by=group, **span)

    roll_up_all(day(2) + 9 * HOUR)
    between = ask(admin_api, ALL, group_by=group, **span)
    roll_up_all(NOW)

    assert before == between == ask(admin_api, ALL, group_by=group, **span)
    assert sum(bucket["total_requests"] for bucket in before) == 24
    assert sum(Decimal(bucket["cost"]) for bucket in before) == Decimal("0.000024")
    assert sum(sum(bucket["tool_usage"].values()) for bucket in before) == 24


def test_the_hour_that_runs_is_in_it(alice):
    start = NOW.replace(minute=0, second=0, microsecond=0)
    log(of(alice, start), of(alice, start - timedelta(microseconds=1)))
    roll_up_all(NOW + timedelta(minutes=10) - (NOW - start))

    buckets = ask(client(alice.secret), MINE, group_by="hour")

    assert [bucket["total_requests"] for bucket in buckets[-2:]] == [1, 1]
    assert sum(bucket["total_requests"] for bucket in buckets) == 2


def test_a_span_cuts_the_buckets_at_its_ends(alice):
    log(*(of(alice, day(3) + number * HOUR) for number in range(48)))
    roll_up_all(NOW)
    given = {"from": f"{day(3) + 5 * HOUR:%Y-%m-%dT%H:%M:%SZ}",
             "to": f"{day(2) + 3 * HOUR:%Y-%m-%dT%H:%M:%SZ}"}  # fmt: skip

    newer, older = ask(client(alice.secret), MINE, **given)

    assert (newer["total_requests"], older["total_requests"]) == (3, 19)
    assert (older["period_start"], newer["period_end"]) == (given["from"], given["to"])


def test_a_half_hour_zone_is_told_and_not_rounded(admin_api):
    answer = admin_api.get(ALL, {"from": "2026-06-01T00:00:00+05:30", "to": "2026-06-02"})

    assert pointers(answer) == ["?from"]
    assert "whole hour of UTC" in answer.content.decode()


def test_nobody_sees_anothers(alice, bob):
    log(*(of(bob, NOW - number * HOUR) for number in range(5)), call(NOW, status=401))
    mine = client(alice.secret)

    assert ask(mine, MINE) == []
    assert ask(mine, MINE, key=str(bob.key.pk)) == []
    assert pointers(mine.get(MINE, {"member": str(bob.key.owner_id)})) == ["?member"]
    assert pointers(mine.get(MINE, {"group_by": "member"})) == ["?group_by"]
    assert mine.get(ALL).json()["code"] == "permission_denied"
    assert sum(bucket["total_requests"] for bucket in ask(client(bob.secret), MINE)) == 5


def test_a_key_without_the_scope_reads_nothing(alice):
    ApiKey.objects.filter(pk=alice.key.pk).update(scopes=["keys:read"])

    assert client(alice.secret).get(MINE).json()["code"] == "insufficient_scope"


def test_staff_need_the_permission(api):
    clerk = make.staff("clerk", superuser=False)
    api.force_login(clerk)
    assert api.get(ALL).json()["code"] == "permission_denied"

    clerk.user_permissions.set(Permission.objects.filter(codename="view_dailyusage"))

    assert api.get(ALL).status_code == 200
    assert client(make.service_key("metrics").secret).get(ALL).status_code == 200


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({"status": 404}, 1), ({"upstream": "llm"}, 2), ({"upstream": ""}, None),
        ({"operation": "api/v1/me"}, 1), ({"model": "m1"}, 1), ({"model": "'; --"}, 0),
        ({"status": 404, "upstream": "llm"}, 0),
    ],
    ids=str,
)  # fmt: skip
def test_filters(given, seen, alice, admin_api):
    Grant.objects.create(member=alice.key.owner, upstream="llm")
    ts = day(2)
    log(of(alice, ts, upstream="llm", model="m1"), of(alice, ts, upstream="llm"),
        of(alice, ts, status=404, operation="api/v1/me"))  # fmt: skip

    def total() -> int:
        return sum(bucket["total_requests"] for bucket in ask(admin_api, ALL, **given))

    if seen is None:
        assert pointers(admin_api.get(ALL, given)) == ["?upstream"]
        return
    assert total() == seen
    roll_up_all(NOW)
    assert total() == seen
    assert ask(admin_api, ALL, key=str(alice.key.pk), member=str(alice.key.owner_id))


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"from": "yesterday"}, "?from"), ({"from": "2026-06-01T00:30:00Z"}, "?from"),
        ({"from": "2026-06-02", "to": "2026-06-02"}, "?from"),
        ({"from": "2026-06-03", "to": "2026-06-02"}, "?from"),
        ({"from": "2020-01-01", "to": "2026-06-02"}, "?from"),
        ({"from": "2026-01-01", "to": "2026-06-02", "group_by": "hour"}, "?from"),
        ({"to": "0001-01-01"}, "?to"), ({"to": "9999-12-31T23:00:00-05:00"}, "?to"),
        ({"group_by": "path"}, "?group_by"), ({"group_by": "day,day"}, "?group_by"),
        ({"group_by": "day,hour"}, "?group_by"), ({"group_by": ""}, "?group_by"),
        ({"group_by": "day,key,member,status"}, "?group_by"),
        ({"status": "x"}, "?status"), ({"status": 99}, "?status"), ({"key": "1"}, "?key"),
        ({"member": "alice"}, "?member"), ({"model": "m" * 101}, "?model"),
        ({"path": "/x"}, "?path"), ({"page": 0}, "?page"), ({"page_size": 101}, "?page_size"),
    ],
    ids=str,
)  # fmt: skip
def test_odd_parameters_are_refused(given, pointer, admin_api):
    assert pointers(admin_api.get(ALL, given)) == [pointer]


def test_pages_are_bounded_and_newest_first(alice, admin_api):
    log(*(of(alice, day(number)) for number in range(1, 26)))

    first = admin_api.get(ALL, dates(27, 0)).json()
    second = admin_api.get(ALL, {**dates(27, 0), "page": 2}).json()
    beyond = admin_api.get(ALL, {**dates(27, 0), "page": 9}).json()

    assert [first["total"], second["total"], beyond["total"]] == [25, 25, 25]
    assert [len(page["results"]) for page in (first, second, beyond)] == [20, 5, 0]
    starts = [bucket["period_start"] for bucket in first["results"] + second["results"]]
    assert starts == sorted(starts, reverse=True)


def test_many_operations_are_told_as_the_usual_ones_and_the_rest(alice, admin_api):
    rows = [of(alice, day(2), operation=f"o{number:03}") for number in range(80)]
    log(*rows, *(of(alice, day(2), operation="o079") for _ in range(3)))

    (bucket,) = ask(admin_api, ALL)

    assert len(bucket["tool_usage"]) == 51
    assert bucket["tool_usage"]["o079"] == 4
    assert bucket["tool_usage"]["other"] == 30
    assert bucket["total_requests"] == 83


def test_asking_reads_three_statements(alice, django_assert_num_queries):
    log(*(of(alice, day(number), status=200 + number) for number in range(30)))
    asked = Question(day(40), day(-1), ("day", "status"), {"member": alice.key.owner_id})

    with django_assert_num_queries(3):
        total, _ = read_usage(asked, limit=20)

    assert total == 30
