"""/api/v1/admin/users/{id}: read, found and changed; its steps are in test_rest_member_steps.py."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from apikeys.models import LimitOverride
from events.models import Event
from tests import make
from tests.apikeys.calls import client, pointers
from tests.provisioning.people import USERS, place, told
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.member("alice")


@pytest.fixture
def theirs():
    """A member whose profile is WordPress's."""
    make.site()
    send(event(1))
    return User.objects.get()


def test_one_member_is_shown_with_limits_storage_and_provisioning(admin_api, alice):
    LimitOverride.objects.create(member=alice, name="requests_per_day", value=9)

    answer = admin_api.get(place(alice))

    body = answer.json()
    assert answer.headers["ETag"] == '"1"'
    assert (body["limits"], body["provisioning"]) == ({"requests_per_day": 9}, {"done": True})
    assert (body["quota_size"], body["quota_used"], body["version"]) == (10 * 1024**3, 0, 1)
    assert not {"password", "is_staff", "suspended_by", "wordpress_email"} & set(body)


def test_filters_and_search_find_whom_they_say(admin_api, theirs):
    make.member("bob", email="robert@example.org", tier="trial")
    site = theirs.site_id
    queries = {
        "status=active": {"alice", "bob"}, "status=deleted": set(), "tier=trial": {"bob"},
        f"site={site}": {"alice"}, f"site={uuid.uuid4()}": set(), "wordpress_id=37": {"alice"},
        "q=ROBERT": {"bob"}, "q=王": {"alice"}, "q=%25": set(), "q=_": set(),
    }  # fmt: skip

    for query, expected in queries.items():
        found = admin_api.get(f"{USERS}?{query}").json()
        assert {row["username"] for row in found["results"]} == expected, query
    ordered = admin_api.get(f"{USERS}?ordering=-username").json()["results"]
    assert [row["username"] for row in ordered] == ["bob", "alice"]


def test_a_list_asks_the_same_questions_however_long(admin_api, alice):
    with CaptureQueriesContext(connection) as few:
        assert admin_api.get(USERS).json()["total"] == 1
    for name in ("bob", "carol", "dora"):
        make.member(name)

    with CaptureQueriesContext(connection) as many:
        assert admin_api.get(USERS).json()["total"] == 4

    assert len(many) == len(few)


def test_what_is_named_is_changed_at_once(admin_api, alice):
    given = {
        "username": "alice.b", "email": "b@example.org", "tier": "trial", "quota_size": None,
        "quota_daily": 7, "limits": {"requests_per_day": 5},
    }  # fmt: skip

    answer = admin_api.patch(place(alice), given, HTTP_IF_MATCH='"1"')

    body = answer.json()
    assert answer.status_code == 200
    assert {name: body[name] for name in given} == given
    assert answer.headers["ETag"] == f'"{body["version"]}"' != '"1"'
    kinds = Event.objects.filter(actor="admin-token").values_list("kind", flat=True)
    assert sorted(kinds) == ["member:limits_changed", "member:updated", "member:updated"]


def test_a_change_of_another_version_is_412_and_changes_nothing(admin_api, alice):
    for send_it in (admin_api.patch, admin_api.put):
        answer = send_it(place(alice), {"username": "x"}, HTTP_IF_MATCH='"7"')
        assert told(answer) == (412, "precondition_failed")
    assert told(admin_api.delete(place(alice), HTTP_IF_MATCH='"7"')) == (412, "precondition_failed")

    row = User.objects.get()
    assert (row.username, row.version, row.status) == ("alice", 1, "active")


def test_each_change_has_a_version_of_its_own(admin_api, alice):
    changes = ({"quota_size": 5}, {"display_name": "A"}, {"limits": {"tokens_per_day": 5}})
    answers = [
        admin_api.get(place(alice)),
        *(admin_api.patch(place(alice), change) for change in changes),
        *(admin_api.post(place(alice, verb), {}) for verb in ("suspend", "resume")),
    ]
    tags = [answer.headers["ETag"] for answer in answers]

    assert len(set(tags)) == len(tags)


def test_put_resets_what_it_does_not_name(admin_api, alice):
    admin_api.patch(
        place(alice),
        {"tier": "trial", "quota_size": 5, "quota_daily": 5, "limits": {"requests_per_day": 5}},
    )

    body = admin_api.put(place(alice), {"username": "alice", "display_name": "A"}).json()

    assert (body["tier"], body["quota_size"], body["limits"]) == ("starter", 10 * 1024**3, {})
    assert (body["quota_daily"], body["email"], body["display_name"]) == (None, "", "A")


@pytest.mark.parametrize(
    "name",
    [
        "is_staff", "is_superuser", "password", "site", "wordpress_id", "status", "status_reason",
        "quota_used", "quota_reserved", "sftpgo_username", "version", "id", "created_at",
        "suspended_by", "deleted_at", "purged_at", "groups", "last_sequence", "welcome_due",
    ],
)  # fmt: skip
def test_what_is_not_for_writing_is_refused(admin_api, alice, name):
    before = User.objects.values().get()

    for send_it, body in ((admin_api.patch, {}), (admin_api.put, {"username": "alice"})):
        assert pointers(send_it(place(alice), body | {name: 1})) == [f"#/{name}"]

    assert User.objects.values().get() == before


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"username": ""}, "#/username"), ({"email": "x"}, "#/email"), ({"tier": "gold"}, "#/tier"),
        ({"quota_size": -1}, "#/quota_size"), ({"quota_size": 2**63}, "#/quota_size"),
        ({"quota_daily": -1}, "#/quota_daily"), ({"quota_daily": 2**63}, "#/quota_daily"),
        ({"quota_daily": "1e3x"}, "#/quota_daily"),
        ({"quota_size": True}, "#/quota_size"), ({"limits": {"many": 1}}, "#/limits/many"),
        ({"limits": {"requests_per_day": 0}}, "#/limits/requests_per_day"),
        ({"limits": []}, "#/limits"), ({"display_name": {"a": 1}}, "#/display_name"),
        ({"display_name": "nul\0"}, "#/display_name"),
    ],
)  # fmt: skip
def test_bad_input_is_422_with_its_place(admin_api, alice, given, pointer):
    assert pointers(admin_api.patch(place(alice), given)) == [pointer]


class TestWordPressMembers:
    def test_the_profile_is_changed_in_wordpress_only(self, admin_api, theirs):
        for name, value in (("username", "x"), ("email", "x@example.org"), ("locale", "de")):
            assert told(admin_api.patch(place(theirs), {name: value})) == (409, "conflict")
        assert told(admin_api.put(place(theirs), {"username": "x"})) == (409, "conflict")

        assert User.objects.get().version == theirs.version

    def test_the_rest_is_changed_here(self, admin_api, theirs):
        assert admin_api.patch(place(theirs), {"quota_size": 5}).json()["quota_size"] == 5
        body = admin_api.put(place(theirs), {"username": "alice", "tier": "trial"}).json()

        assert (body["tier"], body["quota_size"]) == ("trial", 10 * 1024**3)
        assert (body["display_name"], body["email"]) == ("Ann 王", "alice@example.org")

    def test_it_is_renamed_beside_wordpress(self, admin_api, theirs):
        body = admin_api.post(place(theirs, "rename"), {"username": "ann"}).json()
        send(event(2, "user.updated"))

        assert (body["username"], User.objects.get().username) == ("ann", "ann")


def test_a_name_of_another_is_409_and_nobody_becomes_pending(admin_api, alice):
    make.member("bob")

    for given in ({"username": "BOB"}, {"email": "Bob@example.org"}):
        assert told(admin_api.patch(place(alice), given)) == (409, "conflict")
        assert told(admin_api.post(place(alice, "rename"), given)) == (409, "conflict")

    alice.refresh_from_db()
    assert (alice.status, alice.version) == ("active", 1)


@pytest.mark.parametrize("given", [{"tier": "trial"}, {"quota_size": None}, {"quota_size": 1},
                                   {"quota_daily": 1},
                                   {"limits": {"requests_per_day": None}}], ids=str)  # fmt: skip
def test_an_issuer_changes_profiles_and_gives_nothing(alice, given):
    issuer = client(make.service_key("issuer").secret)

    assert told(issuer.patch(place(alice), given)) == (403, "insufficient_scope")
    assert told(issuer.put(place(alice), {"username": "alice", **given}))[0] == 403
    same = {"tier": "starter", "quota_size": 10 * 1024**3, "quota_daily": None, "limits": {}}
    assert issuer.patch(place(alice), {"display_name": "A", **same}).status_code == 200
    assert client(make.service_key("admin").secret).patch(place(alice), given).status_code == 200


def test_staff_users_are_not_reached(admin_api, api):
    root = make.staff()
    User.objects.filter(pk=root.pk).update(is_staff=False)  # a superuser still
    for other in (root, make.staff("clerk", superuser=False)):
        for verb in ("suspend", "resume", "restore", "rename", "merge"):
            assert told(admin_api.post(place(other, verb), {})) == (404, "not_found")
        for method in (admin_api.get, admin_api.patch, admin_api.put, admin_api.delete):
            assert told(method(place(other))) == (404, "not_found")
    assert admin_api.get(USERS).json()["total"] == 0
