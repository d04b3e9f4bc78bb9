"""limit_overrides of keys, and limits of members: what may be said, by whom, and what it does."""

import json
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import Status, User
from apikeys.models import ApiKey, LimitOverride, RequestLimit
from apikeys.services.upkeep import purge_keys
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, MINE, client, pointers

pytestmark = pytest.mark.django_db
SERVICE = {"service_name": "n8n", "name": "n8n"}
MONTH = "requests_per_month"
MINUTE = "requests_per_minute"
BAD = [
    ({MONTH: 0}, MONTH),
    ({MONTH: -1}, MONTH),
    ({MONTH: 10**15 + 1}, MONTH),
    ({MONTH: "many"}, MONTH),
    ({MONTH: True}, MONTH),
    ({MONTH: 1.5}, MONTH),
    ({MONTH: []}, MONTH),
    ({"monthly": 5}, "monthly"),
    ({"storage_bytes": 5}, "storage_bytes"),
    ({"a/b": 5}, "a~1b"),
]


def limits_path(member):
    return f"/api/v1/admin/users/{member.pk}/limits"


def issue(admin_api, **given):
    answer = admin_api.post(KEYS, SERVICE | given)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_key_is_issued_with_limits_of_its_own(admin_api):
    wanted = dict.fromkeys(RequestLimit.values, 7) | {MONTH: 10**15, "requests_per_day": None}

    made = issue(admin_api, limit_overrides=wanted)

    assert made["limit_overrides"] == wanted
    assert admin_api.get(f"{KEYS}/{made['id']}").json()["limit_overrides"] == wanted
    assert issue(admin_api)["limit_overrides"] == {}


def test_a_change_replaces_them_all_and_is_recorded_once(admin_api):
    key = issue(admin_api, limit_overrides={MONTH: 5, "requests_per_day": 2})
    path, wanted = f"{KEYS}/{key['id']}", {"requests_per_minute": 3}

    changed = admin_api.patch(path, {"limit_overrides": wanted}).json()
    same = admin_api.patch(path, {"limit_overrides": wanted}).json()
    other = admin_api.patch(path, {"name": "Desk"}).json()

    assert changed["limit_overrides"] == other["limit_overrides"] == wanted
    assert (changed["version"], same["version"]) == (key["version"] + 1, key["version"] + 1)
    assert admin_api.patch(path, {"limit_overrides": {}}).json()["limit_overrides"] == {}
    updated = Event.objects.filter(kind="apikey:updated").order_by("id")
    details = [json.loads(event.details) for event in updated]
    both = [(each["before"], each["after"]) for each in details]
    assert both == [
        ({"limit_overrides": key["limit_overrides"]}, {"limit_overrides": wanted}),
        ({"name": key["name"]}, {"name": "Desk"}),
        ({"limit_overrides": wanted}, {"limit_overrides": {}}),
    ]
    assert not LimitOverride.objects.exists()


@pytest.mark.parametrize(("given", "place"), BAD, ids=str)
def test_bad_limits_are_422_with_their_place(admin_api, given, place):
    alice = make.member()
    key = make.key(alice).key

    issued = admin_api.post(KEYS, SERVICE | {"limit_overrides": given})
    changed = admin_api.patch(f"{KEYS}/{key.pk}", {"limit_overrides": given})
    replaced = admin_api.put(limits_path(alice), given)

    assert pointers(issued) == pointers(changed) == [f"#/limit_overrides/{place}"]
    assert pointers(replaced) == [f"#/{place}"]
    assert not LimitOverride.objects.exists()


@pytest.mark.parametrize("given", [[], 5, "x", None, [{MONTH: 5}]], ids=str)
def test_limits_are_an_object(admin_api, given):
    alice = make.member()

    assert pointers(admin_api.post(KEYS, SERVICE | {"limit_overrides": given}))
    if given is not None:
        assert pointers(admin_api.put(limits_path(alice), given))


def test_nought_is_refused_with_a_hint_at_null(admin_api):
    answer = admin_api.post(KEYS, SERVICE | {"limit_overrides": {MONTH: 0}})

    assert "null is unlimited" in answer.json()["errors"][0]["detail"]


def test_a_purged_key_leaves_no_limits(admin_api):
    key = issue(admin_api, limit_overrides={MONTH: 5})
    admin_api.delete(f"{KEYS}/{key['id']}")

    assert purge_keys(timezone.now() + timedelta(days=91), timedelta(days=90), actor="test") == 1
    assert not LimitOverride.objects.exists()


def test_a_members_limits_are_set_read_and_taken_back(admin_api):
    alice = make.member()
    path, wanted = limits_path(alice), {MONTH: 20_000, "concurrent_requests": None}

    before, put = admin_api.get(path), admin_api.put(path, wanted)

    assert (before.status_code, before.json()) == (200, {})
    assert (put.status_code, put.json()) == (200, wanted)
    assert admin_api.get(path).json() == wanted
    assert admin_api.put(path, {"requests_per_day": 9}).json() == {"requests_per_day": 9}
    assert admin_api.put(path, {}).json() == admin_api.get(path).json() == {}
    assert not LimitOverride.objects.exists()


def test_the_event_says_what_they_were_and_are(admin_api):
    alice = make.member()

    for wanted in ({MONTH: 5}, {MONTH: 5}, {MONTH: None}):
        admin_api.put(limits_path(alice), wanted)

    events = Event.objects.filter(kind="member:limits_changed").order_by("id")
    assert [json.loads(event.details) for event in events] == [
        {"before": {}, "after": {MONTH: 5}},
        {"before": {MONTH: 5}, "after": {MONTH: None}},
    ]
    assert {event.subject for event in events} == {f"member:{alice.pk.hex}"}
    assert {event.actor for event in events} == {"admin-token"}


def test_only_members_have_them(admin_api):
    staff, gone = make.staff(), make.member("bob")
    User.objects.filter(pk=gone.pk).update(status=Status.DELETED)

    for pk in (uuid.uuid4(), staff.pk):
        path = f"/api/v1/admin/users/{pk}/limits"
        assert (admin_api.get(path).status_code, admin_api.put(path, {}).status_code) == (404, 404)
    assert admin_api.put(limits_path(gone), {MONTH: 5}).json()["code"] == "conflict"


@pytest.mark.parametrize("role", ["metrics", "validator", "issuer"])
def test_no_role_but_admin_sets_a_members_limits(role):
    alice = make.member()
    caller = client(make.service_key(role).secret)

    answer = caller.put(limits_path(alice), {MONTH: None})

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert not LimitOverride.objects.exists()


def test_admin_keys_and_staff_with_the_permission_set_them(api):
    alice, clerk = make.member(), make.staff("clerk", superuser=False)
    clerk.user_permissions.set(Permission.objects.filter(codename="change_user"))
    api.force_login(clerk)

    assert client(make.service_key("admin").secret).put(limits_path(alice), {MONTH: 5}).json()
    assert api.put(limits_path(alice), {MONTH: 6}).json() == {MONTH: 6}
    assert api.get(limits_path(alice)).status_code == 403


def test_a_member_sets_none_of_their_own():
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(scopes=["*:*"])

    answer = client(issued.secret).put(limits_path(issued.key.owner), {MONTH: None})

    assert answer.json()["code"] == "permission_denied"


def bounded(**limits):
    """A member's key with limits of its own, and the client that calls with it."""
    issued = make.key()
    for name, value in limits.items():
        LimitOverride.objects.create(key=issued.key, name=name, value=value)
    return client(issued.secret)


def test_a_member_makes_keys_with_lower_limits_only():
    caller = bounded(requests_per_minute=50)

    def give(**overrides):
        answer = caller.post(MINE, {"name": "x", "limit_overrides": overrides})
        return answer.json().get("limit_overrides", answer.json().get("code"))

    assert give(**{MINUTE: 50}) == {MINUTE: 50}
    assert give(**{MINUTE: 1, "requests_per_day": 9}) == {MINUTE: 1, "requests_per_day": 9}
    assert give() == {MINUTE: 50}
    assert give(**{MINUTE: 51}) == give(**{MINUTE: None}) == "permission_denied"


def test_a_tier_of_the_calling_key_binds_like_an_override():
    issued = make.key()
    tiny = make.tier("tiny", requests_per_minute=9)
    ApiKey.objects.filter(pk=issued.key.pk).update(tier=tiny)
    caller = client(issued.secret)

    def give(value):
        answer = caller.post(MINE, {"name": "x", "limit_overrides": {MINUTE: value}})
        return answer.json().get("code", answer.status_code)

    assert (give(9), give(10), give(None)) == (201, "permission_denied", "permission_denied")


def test_a_member_rotates_no_key_with_higher_limits():
    alice = make.member()
    free, bound = make.key(alice), make.key(alice)
    LimitOverride.objects.create(key=bound.key, name=MONTH, value=5)

    refused = client(bound.secret).post(f"{MINE}/{free.key.pk}/rotate")

    assert refused.json()["code"] == "permission_denied"
    assert client(bound.secret).post(f"{MINE}/{bound.key.pk}/rotate").status_code == 200


def test_a_lowered_limit_counts_from_the_next_request_on(admin_api):
    issued = make.service_key("validator")
    caller = client(issued.secret)
    assert caller.get("/api/v1/admin/users").status_code == 200

    admin_api.patch(f"{KEYS}/{issued.key.pk}", {"limit_overrides": {MONTH: 1}})

    codes = [caller.get("/api/v1/admin/users").status_code for _ in range(2)]
    assert codes == [200, 429]


def test_a_members_lowered_limit_counts_from_the_next_request_on(admin_api, api):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(scopes=["*:*"])
    charged = {"path": "/api/v1/admin/users", "HTTP_X_API_KEY": issued.secret}
    assert api.get(**charged).status_code == 403

    admin_api.put(limits_path(issued.key.owner), {"requests_per_day": 1})
    me = api.get("/api/v1/me", HTTP_X_API_KEY=issued.secret).json()

    assert [row["limit"] for row in me["limits"] if row["name"] == "daily"] == [1]
