"""Batch revoke: conditions, a look first, a number to be sure, one transaction."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.models import ApiKey
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, code, pointers
from tests.apikeys.files import apikey

pytestmark = pytest.mark.django_db
REVOKE = f"{KEYS}/batch-revoke"
LONG_AGO = timezone.now() - timedelta(days=400)


@pytest.fixture
def cast():
    """alice's two keys (one old and never used) and a service's."""
    alice = make.member("alice")
    keys = {"new": make.key(alice, name="New laptop"), "old": make.key(alice, name="Old desk")}
    keys["service"] = make.service_key("metrics")
    ApiKey.objects.exclude(pk__in=[issued.key.pk for issued in keys.values()]).delete()
    change = {"created_at": LONG_AGO, "metadata": {"team": "video", "level": 3}}
    ApiKey.objects.filter(pk=keys["old"].key.pk).update(**change)
    return keys


def post(client, conditions, **given):
    return client.post(REVOKE, {"conditions": conditions, **given})


def alive(cast):
    return {name for name, issued in cast.items() if code(issued.secret) == ""}


@pytest.mark.parametrize(
    ("conditions", "gone"),
    [
        ({"key_type": "service"}, {"service"}),
        ({"key_type": "user"}, ["new", "old"]),  # a list: sets have no order in names of tests
        ({"role": "metrics"}, {"service"}),
        ({"service_name": "test"}, {"service"}),
        ({"name_contains": "LAP"}, {"new"}),
        ({"created_before": "2026-01-01T00:00:00Z"}, {"old"}),
        ({"unused_since": "2026-01-01T00:00:00Z"}, {"old"}),
        ({"metadata": {"team": "video"}}, {"old"}),
        ({"metadata": {"level": 3}, "key_type": "user"}, {"old"}),
        ({"metadata": {"level": "3"}}, set()),
        ({"expires_before": "2026-01-01T00:00:00Z"}, set()),
        ({"tier": "trial"}, set()),
        ({"template": "none"}, set()),
    ],
    ids=str,
)
def test_all_conditions_must_hold(conditions, gone, cast, admin_api):
    answer = post(admin_api, conditions)

    assert (answer.status_code, answer.json()["revoked"]) == (200, len(gone))
    assert alive(cast) == {"new", "old", "service"} - set(gone)
    assert Event.objects.filter(kind="apikey:revoked", actor="admin-token").count() == len(gone)


def test_of_an_owner(cast, admin_api):
    owner = cast["new"].key.owner

    assert post(admin_api, {"owner": str(owner.pk)}).json()["matched"] == 2
    assert alive(cast) == {"service"}


def test_used_lately_is_not_unused(cast, admin_api):
    ApiKey.objects.filter(pk=cast["old"].key.pk).update(last_used_at=timezone.now())

    assert post(admin_api, {"unused_since": "2026-01-01T00:00:00Z"}).json()["matched"] == 0


def test_a_dry_run_shows_who_would_go_masked(cast, admin_api):
    body = post(admin_api, {"key_type": "user"}, dry_run=True).json()

    assert (body["matched"], body["revoked"]) == (2, 0)
    assert {key["owner"] for key in body["keys"]} == {"alice"}
    assert all(key["key_prefix"].endswith("…****") for key in body["keys"])
    assert cast["new"].secret not in str(body)
    assert alive(cast) == set(cast)


def test_another_number_than_expected_revokes_nothing(cast, admin_api):
    answer = post(admin_api, {"key_type": "user"}, expect=3)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["matched"] == 2
    assert alive(cast) == set(cast)
    assert post(admin_api, {"key_type": "user"}, expect=2).json()["revoked"] == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"conditions": {}}, "#/conditions"),
        ({}, "#/conditions"),
        ({"conditions": {"colour": 1}}, "#/conditions/colour"),
        ({"conditions": {"metadata": {}}}, "#/conditions"),
        ({"conditions": {"unused_since": "lately"}}, "#/conditions/unused_since"),
        ({"conditions": {"role": "metrics"}, "expect": -1}, "#/expect"),
    ],
    ids=str,
)
def test_what_is_no_condition_is_refused(body, pointer, cast, admin_api):
    assert pointers(admin_api.post(REVOKE, body)) == [pointer]
    assert alive(cast) == set(cast)


def test_ended_keys_are_not_matched_and_a_repeat_is_harmless(cast, admin_api):
    assert post(admin_api, {"key_type": "user"}).json()["revoked"] == 2
    assert post(admin_api, {"key_type": "user"}).json() == {"matched": 0, "revoked": 0, "keys": []}
    assert Event.objects.filter(kind="apikey:revoked").count() == 2


def test_a_replay_revokes_no_further_key(cast, admin_api):
    given = {"HTTP_IDEMPOTENCY_KEY": "r1"}
    body = {"conditions": {"key_type": "user"}}
    first = admin_api.post(REVOKE, body, **given)
    later = make.key(cast["new"].key.owner)

    again = admin_api.post(REVOKE, body, **given)

    assert again.json() == first.json()
    assert code(later.secret) == ""


def test_rows_are_locked_in_the_order_of_their_ids(cast, admin_api):
    with CaptureQueriesContext(connection) as queries:
        post(admin_api, {"key_type": "user"})

    (locking,) = [q["sql"] for q in queries if "FOR NO KEY UPDATE" in q["sql"]]
    assert re.search(r'SELECT "apikeys_apikey"."id" .* ORDER BY 1 ASC FOR NO KEY UPDATE', locking)


def test_the_command_looks_then_asks_for_yes_then_does_it(cast):
    looked = apikey("batch-revoke", "--key-type", "user", "--dry-run")
    asked = apikey("batch-revoke", "--key-type", "user")
    assert (looked.code, asked.code, alive(cast)) == (0, 1, set(cast))
    assert sorted(line.split("  ")[-1] for line in looked.out.splitlines()) == [
        "New laptop", "Old desk",
    ]  # fmt: skip
    assert "2 keys match" in asked.err
    assert "--yes" in asked.err

    done = apikey("batch-revoke", "--key-type", "user", "--yes", "--expect", "2")

    assert (done.code, alive(cast)) == (0, {"service"})
    assert "Revoked 2 keys." in done.err


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        (["--metadata", "level=3"], {"old"}),
        (["--metadata", "team=video", "--metadata", "level=3"], {"old"}),
        (["--metadata", "team=audio"], set()),
        (["--unused-since", "2026-01-01"], {"old"}),
        (["--owner", "Alice", "--name-contains", "new"], {"new"}),
    ],
    ids=str,
)
def test_conditions_of_the_command(given, gone, cast):
    apikey("batch-revoke", *given, "--yes")

    assert alive(cast) == set(cast) - gone


def test_the_command_refuses_no_condition_and_another_number(cast):
    for given in ([], ["--key-type", "user", "--expect", "7"], ["--owner", "nobody"]):
        assert apikey("batch-revoke", *given, "--yes").code == 1
    assert alive(cast) == set(cast)
