"""PATCH /api/v1/admin/keys/{id}: what is named changes, the version rises, If-Match guards."""

import json

import pytest
from django.utils import timezone

from apikeys.models import ApiKey, Grant
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, pointers

pytestmark = pytest.mark.django_db


def test_only_what_is_named_changes(admin_api):
    key = make.key().key
    before = admin_api.get(f"{KEYS}/{key.pk}").json()

    answer = admin_api.patch(f"{KEYS}/{key.pk}", {"name": "Desk", "metadata": {"a": 1}})

    changed = {"name": "Desk", "metadata": {"a": 1}, "version": before["version"] + 1}
    assert answer.status_code == 200
    assert answer.json() == before | changed
    assert answer.headers["ETag"] == f'"{before["version"] + 1}"'
    assert admin_api.get(f"{KEYS}/{key.pk}").json() == answer.json()


def test_the_event_names_the_fields_what_they_were_and_are(admin_api):
    key = make.key().key
    grant = {"upstream": "llm", "methods": ["GET"], "paths": [], "models": []}

    admin_api.patch(f"{KEYS}/{key.pk}", {"name": "Desk", "tier": "starter", "grants": [grant]})

    event = Event.objects.get(kind="apikey:updated")
    assert (event.actor, event.subject) == ("admin-token", f"key:{key.pk.hex}")
    assert json.loads(event.details) == {
        "fields": ["grants", "name", "tier"],
        "before": {"grants": [], "name": "test key", "tier": None},
        "after": {"grants": [grant], "name": "Desk", "tier": "starter"},
    }


def test_nothing_new_is_no_change(admin_api):
    key = make.key().key
    body = admin_api.get(f"{KEYS}/{key.pk}").json()
    same = {name: body[name] for name in ("name", "scopes", "tier", "expires_at", "grants")}

    answer = admin_api.patch(f"{KEYS}/{key.pk}", same)

    assert answer.json()["version"] == body["version"]
    assert admin_api.patch(f"{KEYS}/{key.pk}", {}).json()["version"] == body["version"]
    assert not Event.objects.filter(kind="apikey:updated").exists()


@pytest.mark.parametrize("tag", ['"{}"', '"1000", "{}"', "*"])
def test_a_matching_version_is_changed(admin_api, tag):
    key = make.key().key
    key.refresh_from_db()

    answer = admin_api.patch(
        f"{KEYS}/{key.pk}", {"name": "Desk"}, HTTP_IF_MATCH=tag.format(key.version)
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("tag", ['"1000"', 'W/"{}"', "{}", '""', '"x"', '"{}', ","])
def test_another_version_is_left_alone(admin_api, tag):
    key = make.key().key
    key.refresh_from_db()

    answer = admin_api.patch(
        f"{KEYS}/{key.pk}", {"name": "Desk"}, HTTP_IF_MATCH=tag.format(key.version)
    )

    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    key.refresh_from_db()
    assert key.name == "test key"


def test_of_two_who_read_the_same_version_the_second_is_told(admin_api):
    path = f"{KEYS}/{make.key().key.pk}"
    tag = admin_api.get(path).headers["ETag"]

    answers = [admin_api.patch(path, {"name": name}, HTTP_IF_MATCH=tag) for name in "ab"]

    assert [answer.status_code for answer in answers] == [200, 412]


def test_grants_are_replaced_as_a_whole(admin_api):
    key = make.key().key
    Grant.objects.create(key=key, upstream="old")
    new = [{"upstream": "echo", "methods": ["GET"], "paths": [], "models": []}]

    assert admin_api.patch(f"{KEYS}/{key.pk}", {"grants": new}).json()["grants"] == new
    assert admin_api.patch(f"{KEYS}/{key.pk}", {"grants": []}).json()["grants"] == []


def test_a_rotation_period_sets_the_due_date_and_null_drops_it(admin_api):
    path = f"{KEYS}/{make.key().key.pk}"

    assert admin_api.patch(path, {"rotate_every_days": 5}).json()["rotation_due_at"] is not None
    assert admin_api.patch(path, {"rotate_every_days": None}).json()["rotation_due_at"] is None


def test_an_expired_key_lives_again_with_a_later_end(admin_api):
    key = make.key().key
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())

    body = admin_api.patch(f"{KEYS}/{key.pk}", {"expires_in_days": 1}).json()

    assert body["is_active"] is True


@pytest.mark.parametrize("end", ["revoked_at", "quarantined_at"])
def test_a_key_that_ended_stays_as_it_is(admin_api, end):
    key = make.key().key
    ApiKey.objects.filter(pk=key.pk).update(**{end: timezone.now()})

    answer = admin_api.patch(f"{KEYS}/{key.pk}", {"name": "Desk"})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"scopes": ["keys:fly"]}, "#/scopes/0"),
        ({"scopes": None}, "#/scopes"),
        ({"role": "issuer"}, "#/role"),
        ({"tier": "gold"}, "#/tier"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ({"metadata": {"a": "\0"}}, "#/metadata"),
        ({"grants": [{"upstream": "a"}, {"upstream": "a"}]}, "#/grants/1/upstream"),
        ({"grants": [{"methods": ["GET"]}]}, "#/grants/0/upstream"),
        ({"grants": [None]}, "#/grants/0"),
        ({"id": "x"}, "#/id"),
        ({"owner": "x"}, "#/owner"),
        ({"key_type": "admin"}, "#/key_type"),
        ({"service_name": "x"}, "#/service_name"),
        ({"key_prefix": "x"}, "#/key_prefix"),
        ({"version": 1}, "#/version"),
        ({"is_active": False}, "#/is_active"),
        ({"disabled_at": None}, "#/disabled_at"),
        ({"last_used_at": None}, "#/last_used_at"),
    ],
    ids=str,
)
def test_bad_or_foreign_fields_are_422_and_change_nothing(admin_api, given, pointer):
    key = make.key().key
    before = ApiKey.objects.filter(pk=key.pk).values().get()

    assert pointer in pointers(admin_api.patch(f"{KEYS}/{key.pk}", {"description": "x", **given}))
    assert ApiKey.objects.filter(pk=key.pk).values().get() == before


def test_the_admin_role_is_not_given_to_a_service_key(admin_api):
    key = make.service_key("issuer").key

    assert pointers(admin_api.patch(f"{KEYS}/{key.pk}", {"role": "admin"})) == ["#/role"]
    assert admin_api.patch(f"{KEYS}/{key.pk}", {"role": "metrics"}).json()["role"] == "metrics"


def test_put_is_not_there(admin_api):
    assert admin_api.put(f"{KEYS}/{make.key().key.pk}", {}).status_code == 405
