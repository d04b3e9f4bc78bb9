"""/api/v1/admin/tiers: read with keys:read, written by whoever holds everything."""

import json

import pytest
from django.contrib.auth.models import Permission

from apikeys.models import ApiKey, Grant, KeyTemplate, Tier
from apikeys.models.rights import LIMITS
from events.models import Event
from tests import make
from tests.apikeys.calls import client, pointers

pytestmark = pytest.mark.django_db
TIERS = "/api/v1/admin/tiers"
NEW = {"slug": "tests", "name": "Tests"}


def test_a_tier_is_made_listed_read_changed_and_removed(admin_api):
    said = NEW | dict.fromkeys(LIMITS, 7) | {"requests_per_day": None}

    made = admin_api.post(TIERS, said)
    one = made.headers["Location"]
    changed = admin_api.patch(one, {"requests_per_month": None, "name": "More"})
    read, listed = admin_api.get(one), admin_api.get(TIERS)
    removed = admin_api.delete(one)

    assert made.status_code == 201
    assert {name: made.json()[name] for name in said} == said
    assert (changed.status_code, changed.json()["requests_per_month"]) == (200, None)
    assert read.json() == listed.json()["results"][0] == changed.json()
    assert listed.json()["total"] == 5
    assert (removed.status_code, Tier.objects.filter(pk="tests").exists()) == (204, False)
    events = list(Event.objects.filter(subject="tier:tests").order_by("id"))
    assert [event.kind for event in events] == ["tier:created", "tier:updated", "tier:deleted"]
    assert json.loads(events[1].details) == {
        "fields": ["name", "requests_per_month"],
        "before": {name: said[name] for name in ("name", "requests_per_month")},
        "after": {"requests_per_month": None, "name": "More"},
    }


def test_what_is_left_out_is_unlimited(admin_api):
    body = admin_api.post(TIERS, NEW).json()

    assert [body[name] for name in LIMITS] == [None] * len(LIMITS)


def test_nothing_new_is_no_change_and_no_event(admin_api):
    body = admin_api.get(f"{TIERS}/starter").json()
    same = {name: body[name] for name in ("name", *LIMITS)}

    assert admin_api.patch(f"{TIERS}/starter", same).json() == body
    assert admin_api.patch(f"{TIERS}/starter", {}).json() == body
    assert not Event.objects.filter(kind__startswith="tier:").exists()


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"slug": "a b"}, "#/slug"),
        ({"slug": "s" * 33}, "#/slug"),
        ({"name": ""}, "#/name"),
        ({"requests_per_month": 0}, "#/requests_per_month"),
        ({"concurrent_requests": -1}, "#/concurrent_requests"),
        ({"storage_bytes": 10**15 + 1}, "#/storage_bytes"),
        ({"key_lifetime_days": 36_501}, "#/key_lifetime_days"),
        ({"requests_per_week": 5}, "#/requests_per_week"),
        ({"created_at": "2020-01-01T00:00:00Z"}, "#/created_at"),
        ({"grants": []}, "#/grants"),
    ],
    ids=str,
)
def test_faults_have_pointers(admin_api, given, pointer):
    assert pointers(admin_api.post(TIERS, NEW | given)) == [pointer]
    assert pointers(admin_api.patch(f"{TIERS}/starter", given)) == [pointer]
    assert Tier.objects.count() == 4


def test_a_slug_is_taken_once_and_never_changes(admin_api):
    assert admin_api.post(TIERS, NEW | {"slug": "starter"}).json()["code"] == "conflict"
    assert pointers(admin_api.patch(f"{TIERS}/starter", {"slug": "first"})) == ["#/slug"]
    assert admin_api.get(f"{TIERS}/first").status_code == 404


def test_a_filter_that_does_not_exist_is_refused(admin_api):
    assert pointers(admin_api.get(TIERS, {"name": "x"})) == ["?name"]


def test_a_repeat_with_an_idempotency_key_is_one_tier(admin_api):
    answers = [admin_api.post(TIERS, NEW, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


def member_in(tier):
    make.member(tier=tier.slug)


def key_in(tier):
    ApiKey.objects.filter(pk=make.key().key.pk).update(tier=tier)


def template_in(tier):
    KeyTemplate.objects.create(slug="t", tier=tier)


@pytest.mark.parametrize("settle", [member_in, key_in, template_in])
def test_a_tier_in_use_stays(admin_api, settle):
    tiny = make.tier("tiny")
    settle(tiny)

    answer = admin_api.delete(f"{TIERS}/tiny")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert Tier.objects.filter(pk="tiny").exists()


def test_the_tier_of_new_members_stays(admin_api, settings):
    make.tier("tiny")
    settings.DEFAULT_TIER = "tiny"

    assert admin_api.delete(f"{TIERS}/tiny").status_code == 409


def test_a_tiers_grants_go_with_it(admin_api):
    make.tier("tiny")

    assert admin_api.delete(f"{TIERS}/tiny").status_code == 204
    assert not Grant.objects.filter(tier="tiny").exists()


@pytest.mark.parametrize("scopes", [[], ["keys:*", "members:*"], ["*:write", "*:read"]], ids=str)
def test_a_key_that_does_not_hold_everything_writes_no_tier(scopes):
    issuer = make.service_key("issuer")
    ApiKey.objects.filter(pk=issuer.key.pk).update(scopes=scopes)
    caller = client(issuer.secret)
    before = list(Tier.objects.order_by("pk").values())

    answers = [
        caller.post(TIERS, NEW),
        caller.patch(f"{TIERS}/starter", {"requests_per_month": None}),
        caller.delete(f"{TIERS}/trial"),
    ]

    assert [answer.json()["code"] for answer in answers] == ["insufficient_scope"] * 3
    assert list(Tier.objects.order_by("pk").values()) == before
    assert caller.get(f"{TIERS}/starter").status_code == 200


def test_an_admin_key_writes_tiers():
    caller = client(make.service_key("admin").secret)

    assert caller.post(TIERS, NEW).status_code == 201
    assert caller.patch(f"{TIERS}/tests", {"requests_per_day": 5}).status_code == 200
    assert caller.delete(f"{TIERS}/tests").status_code == 204


def test_staff_write_what_their_permissions_say(api):
    clerk = make.staff("clerk", superuser=False)
    clerk.user_permissions.set(Permission.objects.filter(codename="change_tier"))
    api.force_login(clerk)

    assert api.patch(f"{TIERS}/starter", {"requests_per_day": 5}).status_code == 200
    refused = [api.get(TIERS), api.post(TIERS, NEW), api.delete(f"{TIERS}/trial")]
    assert [answer.json()["code"] for answer in refused] == ["permission_denied"] * 3
