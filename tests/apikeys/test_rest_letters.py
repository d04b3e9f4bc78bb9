"""Which letters a member wants, by REST: one's own choice, and staff's."""

import pytest

from accounts.models import User
from events.mailmodels import Unsubscription
from events.models import Event
from events.topics import Topic
from events.unsubscribing import Subscription, unsubscribe
from tests import make
from tests.apikeys.calls import client, pointers

pytestmark = pytest.mark.django_db
MINE = "/api/v1/me/letters"
ALL = {"expiry": True, "quota": True}


def of(member: User) -> str:
    return f"/api/v1/admin/users/{member.pk}/letters"


def test_a_member_calls_letters_off_and_wants_them_again(admin_api):
    alice = make.member("alice")
    key = make.key(alice)
    mine = client(key.secret)

    answers = [mine.get(MINE), mine.patch(MINE, {"expiry": False}), mine.get(MINE),
               mine.patch(MINE, {}), admin_api.get(of(alice)),
               admin_api.patch(of(alice), {"expiry": True, "quota": False}),
               mine.patch(MINE, ALL)]  # fmt: skip

    assert [answer.status_code for answer in answers] == [200] * 7
    without = {"expiry": False, "quota": True}
    assert [answer.json() for answer in answers] == [
        ALL, without, without, without, without, {"expiry": True, "quota": False}, ALL,
    ]  # fmt: skip
    rows = Event.objects.filter(kind__endswith="subscribed").order_by("id")
    assert [(event.kind, event.actor) for event in rows] == [
        ("member:unsubscribed", f"key:{key.key.pk.hex}"),
        ("member:subscribed", "admin-token"), ("member:unsubscribed", "admin-token"),
        ("member:subscribed", f"key:{key.key.pk.hex}"),
    ]  # fmt: skip


def test_what_staff_read_of_one_member_is_nothing_of_another(admin_api):
    alice, bob = make.member("alice"), make.member("bob")
    unsubscribe(Subscription(alice.pk, Topic.QUOTA), actor="test")

    assert admin_api.get(of(bob)).json() == ALL
    assert client(make.key(bob).secret).patch(MINE, ALL).json() == ALL
    assert Unsubscription.objects.get().member == alice.pk


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"digest": False}, "#/digest"),
        ({"security": False}, "#/security"),
        ({"quota": 7}, "#/quota"),
    ],
)
def test_what_is_no_topic_of_members_is_refused_and_changes_nothing(body, pointer, admin_api):
    alice = make.member("alice")

    assert pointers(admin_api.patch(of(alice), {"expiry": False, **body})) == [pointer]
    assert not Unsubscription.objects.exists()


def test_staff_are_no_members_and_nobody_is_missing(admin_api):
    assert admin_api.get(of(make.staff("root"))).status_code == 404
    assert client(make.service_key("admin").secret).get(MINE).json()["code"] == "permission_denied"
