"""Every kind has a schema, what is recorded fits it, and only what it opens leaves by a webhook."""

import json
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from jsonschema import Draft202012Validator

from events.kinds import Kind
from events.models import Event
from events.payloads import PAYLOADS, plain, told
from events.schemas import schema_of, told_schema_of
from events.services import record
from tests.docs.pages import page
from tests.events.payloads import errors, watched

SUBJECT = "key:" + "0" * 32


def written(kind: Kind, **details: Any) -> list[str]:
    with watched() as faults, transaction.atomic():
        record(kind, actor="test", subject=SUBJECT, **details)
    return faults


def test_every_kind_has_a_payload_and_nothing_else_has():
    assert set(PAYLOADS) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_a_payload_is_a_schema_and_hides_nothing_of_the_envelope(kind):
    Draft202012Validator.check_schema(schema_of(kind))

    assert not {"id", "actor", "subject"} & set(PAYLOADS[kind])
    assert schema_of(kind)["additionalProperties"] is False


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "details"),
    [
        (Kind.APIKEY_ROTATED, {}),
        (Kind.APIKEY_ROTATED, {"grace_seconds": "5"}),
        (Kind.APIKEY_ROTATED, {"grace_seconds": -5}),
        (Kind.APIKEY_ROTATED, {"grace_seconds": 5, "by": "x"}),
        (Kind.APIKEY_CLAIMED, {"name": "x"}),
        (Kind.APIKEY_ROTATION_REQUIRED, {"due_at": "tomorrow"}),
        (Kind.MEMBER_LINKED, {"site": "the blog"}),
        (Kind.GRANT_CREATED, {"of": "somebody"}),
    ],
)
def test_what_does_not_fit_is_seen_by_the_suite(kind, details, request):
    faults = written(kind, **details)

    assert faults
    assert all(fault.startswith(f"{kind}: ") for fault in faults)
    request.getfixturevalue("known_payloads").clear()


@pytest.mark.django_db
def test_what_fits_is_not():
    moment = datetime(2026, 11, 22, 9, 30, tzinfo=timezone(timedelta(hours=8)))

    assert written(Kind.APIKEY_ROTATED, grace_seconds=5) == []
    assert written(Kind.APIKEY_CLAIMED) == []
    assert written(Kind.APIKEY_ROTATION_REQUIRED, due_at=moment) == []
    newest = Event.objects.get(kind=Kind.APIKEY_ROTATION_REQUIRED)
    assert json.loads(newest.details) == {"due_at": "2026-11-22T01:30:00Z"}


def test_a_moment_is_told_by_rfc_3339():
    assert plain(datetime(2026, 1, 2, 3, 4, 5, 600, UTC)) == "2026-01-02T03:04:05.000600Z"


def test_what_people_wrote_and_where_they_are_stays():
    details = {"name": "Anna's laptop", "type": "user", "unheard": "of"}

    assert told(Kind.APIKEY_CREATED, details) == {"type": "user"}
    assert told(Kind.MEMBER_SUSPENDED, {"reason": "quarrelled with Bob"}) == {}
    rule = {"network": "192.0.2.7/32", "rule": "block", "expires_at": None}
    assert told(Kind.IP_RULE_CREATED, rule) == {"rule": "block", "expires_at": None}


@pytest.mark.parametrize("kind", Kind)
def test_what_is_told_has_its_own_schema(kind):
    open_names = {name for name, field in PAYLOADS[kind].items() if not field.private}

    assert set(told_schema_of(kind)["properties"]) == open_names
    assert set(told(kind, dict.fromkeys(PAYLOADS[kind], 1))) == open_names


def test_the_schemas_of_the_documentation_are_these():
    out = StringIO()

    call_command("event_schemas", stdout=out)

    assert json.loads(page("docs/events.schema.json")) == json.loads(out.getvalue())


def test_nothing_is_a_payload_of_a_kind_without_one():
    assert errors(Kind.APIKEY_CLAIMED, {}) == []
    assert errors(Kind.APIKEY_CLAIMED, [])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_nothing_is_recorded_without_the_transaction_of_its_change():
    with pytest.raises(RuntimeError, match="transaction"):
        record(Kind.APIKEY_CLAIMED, actor="test", subject=SUBJECT)

    assert not Event.objects.filter(kind=Kind.APIKEY_CLAIMED).exists()
