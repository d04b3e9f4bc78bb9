"""/admin/events and /me/events: newest first, by filters that are named, to each what is theirs."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.models import ApiKey
from events.chain import mending
from events.chain.sealer import Sealer
from events.kinds import Kind
from events.models import Event
from events.services import record
from momentry.common.ids import uuid7
from tests import make
from tests.apikeys.calls import client, pointers
from tests.events.chained import execute, note, note_at, sealed, some

pytestmark = pytest.mark.django_db
EVENTS = "/api/v1/admin/events"
MINE = "/api/v1/me/events"


@pytest.fixture(autouse=True)
def _of_any_shape(known_payloads: list[str]) -> Iterator[None]:
    """What the details of made-up events hold is no matter here; of all others it is."""
    yield
    made_up = ("apikey:", "chain:head")
    known_payloads[:] = [each for each in known_payloads if not each.startswith(made_up)]


def listed(api: Any, url: str = EVENTS, **parameters: Any) -> dict[str, Any]:
    answer = api.get(url, parameters)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def walk(api: Any, url: str = EVENTS, **parameters: Any) -> list[str]:
    page = listed(api, url, **parameters)
    found = [row["id"] for row in page["results"]]
    while page["next"]:
        page = listed(api, url, **parameters, cursor=page["next"])
        found += [row["id"] for row in page["results"]]
    return found


def ids(*events: Event) -> list[str]:
    return [str(event.pk) for event in reversed(events)]


def test_an_event_has_every_field_and_its_seal_once_it_has_one(admin_api):
    event = note(1, reason="left the team", nested={"a": [1]})

    (row,) = listed(admin_api)["results"]
    assert row == {
        "id": str(event.pk), "time": f"{event.occurred_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "kind": "mail:retried", "actor": "staff:1", "subject": "mail:1", "request_id": "",
        "details": {"reason": "left the team", "nested": {"a": [1]}}, "seal": None,
    }  # fmt: skip
    Sealer().seal()
    one = admin_api.get(f"{EVENTS}/{event.pk}").json()
    event.refresh_from_db()

    assert one == {**row, "seal": {"seq": 1, "hash": bytes(event.hash).hex()}}


def test_what_stands_outside_the_chain_has_no_seal(admin_api):
    sealed(2)
    execute("DELETE FROM events_chain")
    mending.restart(actor="test")
    Sealer().seal()

    rows = listed(admin_api)["results"]

    assert [row["seal"] and row["seal"]["seq"] for row in rows] == [3, None, None]


def test_details_that_cannot_be_read_are_null(admin_api):
    note(1, a=1)
    execute("UPDATE events_event SET details = 'junk'")
    note(2)

    assert [row["details"] for row in listed(admin_api)["results"]] == [None, None]


def test_a_walk_sees_every_event_once_while_others_come(admin_api):
    now = timezone.now()
    made = [note_at(number, now - timedelta(minutes=9 - number // 3)) for number in range(12)]
    page = listed(admin_api, limit=3)
    found = [row["id"] for row in page["results"]]
    while page["next"]:
        some(2)
        page = listed(admin_api, limit=3, cursor=page["next"])
        found += [row["id"] for row in page["results"]]

    ordered = sorted(made, key=lambda event: (event.occurred_at, event.pk))
    assert found == ids(*ordered)


def test_a_filter_shows_its_events_only(admin_api):
    mine = some(3)
    with transaction.atomic():
        other = record(Kind.CHAIN_HEAD, actor="relay", subject="chain:events")

    assert walk(admin_api, limit=2, kind="mail:retried") == ids(*mine)
    assert walk(admin_api, actor="relay") == ids(other)
    assert walk(admin_api, subject="mail:1") == ids(mine[1])
    assert walk(admin_api, subject="mail:1", actor="relay") == []
    since = mine[1].occurred_at.isoformat()
    assert walk(admin_api, since=since) == ids(*mine[1:], other)
    assert walk(admin_api, until=since) == ids(mine[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"), ("limit", "101"), ("cursor", ""), ("cursor", "x"), ("since", "yesterday"),
        ("until", "10000-01-01"), ("kind", "x"), ("kind", "mail:%"), ("subject", "x" * 61),
        ("actor", "x" * 61), ("actor", ""), ("ordering", "id"), ("page", "1"), ("details", "x"),
    ],
)  # fmt: skip
def test_what_is_not_asked_well_is_refused(admin_api, name, value):
    assert pointers(admin_api.get(EVENTS, {name: value})) == [f"?{name}"]


def test_an_end_before_the_beginning_is_refused(admin_api):
    span = {"since": "2026-06-01", "until": "2026-06-01"}

    assert pointers(admin_api.get(EVENTS, span)) == ["?since"]


def test_a_page_is_one_statement(admin_api):
    some(30)
    with CaptureQueriesContext(connection) as few:
        listed(admin_api, limit=1)
    with CaptureQueriesContext(connection) as many:
        listed(admin_api, limit=30)

    assert len(few) == len(many)
    (asked,) = [query["sql"] for query in many if 'FROM "events_event"' in query["sql"]]
    assert asked.endswith("LIMIT 31")


@pytest.mark.parametrize(
    "asked", [{}, {"kind": "mail:retried"}, {"actor": "staff:1"}, {"subject": "mail:1"}]
)
def test_no_page_sorts_or_reads_all(admin_api, asked):
    some(5)
    with CaptureQueriesContext(connection) as queries:
        listed(admin_api, **asked, limit=2)
    (sql,) = [query["sql"] for query in queries if 'FROM "events_event"' in query["sql"]]
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort"):  # what is quick with a row or two
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Seq Scan" not in plan
    assert "Sort" not in plan.replace("Incremental Sort", "").replace("Sort Key", "")


@pytest.mark.parametrize("wanted", [uuid7(), "00000000-0000-0000-0000-000000000000"])
def test_an_id_of_nothing_is_not_found(admin_api, wanted):
    assert admin_api.get(f"{EVENTS}/{wanted}").status_code == 404
    assert admin_api.get(f"{EVENTS}/{wanted}?x=1").status_code == 422


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_writes_it(admin_api, method):
    event = note(1)

    assert getattr(admin_api, method)(EVENTS, {}).status_code == 405
    assert getattr(admin_api, method)(f"{EVENTS}/{event.pk}", {}).status_code == 405


def test_it_takes_the_scope_and_no_members_key():
    named, member = make.service_key("metrics"), make.key()
    assert client(named.secret).get(EVENTS).json()["code"] == "insufficient_scope"
    ApiKey.objects.filter(pk=named.key.pk).update(scopes=["events:read"])
    ApiKey.objects.filter(pk=member.key.pk).update(scopes=["*:*"])

    assert client(named.secret).get(EVENTS).status_code == 200
    assert client(member.secret).get(EVENTS).json()["code"] == "permission_denied"


def test_a_member_sees_what_happened_to_it_and_its_keys_and_nothing_else():
    alice, bob = make.key(make.member("alice")), make.key(make.member("bob"))
    note(1)

    for mine, other in ((alice, bob), (bob, alice)):
        subjects = {
            row["subject"] for row in listed(client(mine.secret), MINE, limit=100)["results"]
        }
        own = {f"member:{mine.key.owner_id.hex}"}
        own |= {f"key:{key.pk.hex}" for key in ApiKey.objects.filter(owner=mine.key.owner_id)}
        assert f"key:{mine.key.pk.hex}" in subjects
        assert subjects <= own
        assert f"key:{other.key.pk.hex}" not in subjects


@pytest.mark.parametrize(
    ("actor", "by"),
    [
        ("staff:0193a1c8-aaaa-7c8e-9d0b-7d1f2c3a4b5e", "staff"), ("admin-token", "staff"),
        ("key:00000000000000000000000000000000", "service"), ("relay", "system"),
        ("schedule", "system"), ("site:01999999", "system"),
    ],
)  # fmt: skip
def test_it_is_told_by_whom_as_a_word_and_without_what_is_staffs(actor, by):
    alice = make.key()
    subject = f"key:{alice.key.pk.hex}"
    with transaction.atomic():
        record(
            Kind.APIKEY_REVOKED, actor=actor, subject=subject,
            reason="because", client_address="192.0.2.7", user_agent="curl", fields=["name"],
        )  # fmt: skip

    answer = client(alice.secret).get(MINE, {"kind": "apikey:revoked"})

    (row,) = answer.json()["results"]
    assert set(row) == {"id", "time", "kind", "subject", "by", "details"}
    assert (row["by"], row["details"]) == (by, {"fields": ["name"]})
    assert "192.0.2.7" not in answer.content.decode()
    assert "because" not in answer.content.decode()
    assert actor not in answer.content.decode()


def test_what_a_member_did_by_its_own_key_was_done_by_itself():
    alice = make.key()
    caller = client(alice.secret)
    assert caller.post("/api/v1/me/keys", {"name": "more"}).status_code == 201

    rows = listed(caller, MINE, kind="apikey:created")["results"]

    assert rows[0]["by"] == "you"
    assert rows[0]["details"]["name"] == "more"


def test_members_events_come_by_cursor_too():
    alice = make.key()
    with transaction.atomic():
        made = [
            record(Kind.APIKEY_UPDATED, actor="x", subject=f"key:{alice.key.pk.hex}")
            for _ in range(5)
        ]

    assert walk(client(alice.secret), MINE, limit=2, kind="apikey:updated") == ids(*made)
    assert pointers(client(alice.secret).get(MINE, {"subject": "x"})) == ["?subject"]


def test_a_services_key_has_no_events_of_its_own():
    assert client(make.service_key("admin").secret).get(MINE).json()["code"] == "permission_denied"
