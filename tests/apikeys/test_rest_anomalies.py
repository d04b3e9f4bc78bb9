"""GET /api/v1/admin/anomalies: what was found, newest first, by key, member, rule and time."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.models import Anomaly, ApiKey
from tests import make
from tests.apikeys.calls import client, pointers

pytestmark = pytest.mark.django_db
URL = "/api/v1/admin/anomalies"
NOW = timezone.now().replace(minute=0, second=0, microsecond=0)
HOUR = timedelta(hours=1)


def anomaly(key: ApiKey, rule: str = "rate", age: int = 0) -> Anomaly:
    at = NOW - age * HOUR
    return Anomaly.objects.create(
        key=key, rule=rule, hour=at, value=900, usual=20, threshold=300, found_at=at
    )


@pytest.fixture
def found(db: None) -> list[Anomaly]:
    """Newest first."""
    alice, bob = make.key().key, make.key(make.member("bob")).key
    return [anomaly(alice), anomaly(bob, "cost", 1), anomaly(alice, "networks", 2)]


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def expected(*rows: Anomaly) -> list[str]:
    return [str(row.pk) for row in rows]


def test_they_are_listed_newest_first(admin_api: Any, found: list[Anomaly]) -> None:
    answer = admin_api.get(URL)

    assert ids(answer) == expected(*found)
    key = found[0].key
    assert answer.json()["results"][0] == {
        "id": str(found[0].pk), "key": str(key.pk), "key_prefix": key.key_prefix,
        "member": str(key.owner_id), "rule": "rate", "hour": NOW.isoformat().replace("+00:00", "Z"),
        "value": 900.0, "usual": 20.0, "threshold": 300.0, "quarantined": False,
        "found_at": NOW.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip


def test_pages_follow_one_another(admin_api: Any, found: list[Anomaly]) -> None:
    first = admin_api.get(URL, {"limit": 2})
    rest = admin_api.get(URL, {"limit": 2, "cursor": first.json()["next"]})

    assert [*ids(first), *ids(rest)] == expected(*found)
    assert rest.json()["next"] is None


def test_they_are_filtered(admin_api: Any, found: list[Anomaly]) -> None:
    newest, middle, oldest = found
    questions: list[tuple[dict[str, object], list[str]]] = [
        ({"key": newest.key_id}, expected(newest, oldest)),
        ({"member": middle.key.owner_id}, expected(middle)),
        ({"rule": "networks"}, expected(oldest)),
        ({"since": (NOW - HOUR).isoformat()}, expected(newest, middle)),
        ({"until": NOW.isoformat()}, expected(middle, oldest)),
        ({"rule": "failures"}, []),
    ]

    for question, answer in questions:
        assert ids(admin_api.get(URL, question)) == answer


@pytest.mark.parametrize(
    "question", [{"rule": "x"}, {"key": "x"}, {"since": "x"}, {"order": "x"}, {"cursor": "x"}]
)
def test_what_is_no_filter_is_refused(admin_api: Any, question: dict[str, str]) -> None:
    assert pointers(admin_api.get(URL, question)) == [f"?{next(iter(question))}"]


def test_one_of_them(admin_api: Any, found: list[Anomaly]) -> None:
    assert admin_api.get(f"{URL}/{found[1].pk}").json()["rule"] == "cost"
    assert admin_api.get(f"{URL}/{found[1].key_id}").status_code == 404


def test_a_member_sees_none(found: list[Anomaly]) -> None:
    answer = client(make.key(make.member("carol")).secret).get(URL)

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_many_take_as_few_statements_as_three(admin_api: Any, found: list[Anomaly]) -> None:
    with CaptureQueriesContext(connection) as few:
        assert len(ids(admin_api.get(URL))) == 3
    for number in range(20):
        anomaly(make.key(make.member(f"m{number}")).key, age=number)

    with CaptureQueriesContext(connection) as many:
        assert len(ids(admin_api.get(URL))) == 20
    assert len(many) == len(few)
    assert not any("digest" in q["sql"] or "metadata" in q["sql"] for q in on_anomalies(many))


def on_anomalies(asked: CaptureQueriesContext) -> list[dict[str, str]]:
    return [query for query in asked.captured_queries if 'FROM "apikeys_anomaly"' in query["sql"]]
