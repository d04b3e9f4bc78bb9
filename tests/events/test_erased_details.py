"""What people wrote of whom is purged goes from the events too; that it happened stays."""

import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import Profile
from apikeys.services.keys import revoke_key
from apikeys.services.makers import system
from apikeys.services.update import update_key
from apikeys.services.upkeep import purge_keys
from events.kinds import Kind
from events.models import Event
from events.services import forget_details, record
from provisioning.services.members import delete_member, suspend_member, update_profile
from provisioning.services.members.purge import purge_members
from tests import make

pytestmark = pytest.mark.django_db
LATER = timedelta(days=400)


def details() -> str:
    return "\n".join(row.details for row in Event.objects.all() if row.details)


def test_a_purged_member_s_names_and_reasons_are_in_no_event():
    alice, bob = make.member("alice"), make.member("bob")
    update_profile(alice, Profile("alice", "secret.address@example.org"), actor="test")
    update_profile(bob, Profile("bob", "robert@example.org"), actor="test")
    suspend_member(alice, reason="quarrelled", actor="test")
    User.objects.filter(pk=alice.pk).update(status="active")
    delete_member(User.objects.get(pk=alice.pk), actor="test")
    kinds = list(Event.objects.order_by("id").values_list("kind", "subject"))
    assert "secret.address" in details()

    purge_members(timezone.now() + LATER, timedelta(days=30), actor="test")

    assert [text for text in ("secret.address", "quarrelled") if text in details()] == []
    assert "robert@example.org" in details()
    assert list(Event.objects.order_by("id").values_list("kind", "subject"))[: len(kinds)] == kinds


def test_a_purged_key_s_names_are_in_no_event():
    key, other = make.key(name="Anna's phone").key, make.key(make.member("bob"), name="desk").key
    update_key(key.pk, {"name": "Anna's other phone"}, maker=system("test"))
    revoke_key(key, actor="test")
    assert "Anna" in details()

    purge_keys(timezone.now() + LATER, timedelta(days=30), actor="test")

    assert "Anna" not in details()
    assert "desk" in details()
    assert other.revoked_at is None


def test_what_is_nobody_s_words_stays():
    with transaction.atomic():
        record(Kind.APIKEY_ROTATED, actor="test", subject="key:a", grace_seconds=5)
        record(Kind.APIKEY_QUARANTINED, actor="test", subject="key:a", reason="leaked by Anna")
        record(Kind.APIKEY_QUARANTINED, actor="test", subject="key:b", reason="leaked by Bob")

    assert forget_details(["key:a"]) == 1

    assert [json.loads(row.details or "{}") for row in Event.objects.order_by("id")] == [
        {"grace_seconds": 5}, {}, {"reason": "leaked by Bob"},
    ]  # fmt: skip


def test_where_purged_staff_were_is_in_no_event_theirs_or_another_s():
    sue, bob = make.staff("sue"), make.staff("bob")
    members = [f"staff:{each.pk}" for each in (sue, bob)]
    with transaction.atomic():
        for who, whom, address in ((0, 0, "192.0.2.1"), (0, 1, "192.0.2.1"), (1, 1, "192.0.2.2")):
            for kind in (Kind.STAFF_LOGGED_IN, Kind.STAFF_PASSWORD_CHANGED):
                given = {"address": address, "user_agent": f"Browser of {who}"}
                record(kind, actor=members[who], subject=members[whom], **given)
    User.objects.filter(pk=sue.pk).update(status="deleted", deleted_at=timezone.now())

    purge_members(timezone.now() + LATER, timedelta(days=30), actor="test")

    assert "192.0.2.1" not in details()
    assert "Browser of 0" not in details()
    assert details().count("192.0.2.2") == 2
    assert Event.objects.filter(actor=members[0]).count() == 4
