"""The welcome: once, when it is due, with a link that opens something."""

import pytest

from events.models import Mail
from provisioning.models import ClaimLink
from provisioning.services import members
from tests import make

pytestmark = pytest.mark.django_db
STAFF = {"actor": "staff:1"}


def letters() -> list[str]:
    return list(Mail.objects.order_by("id").values_list("template", flat=True))


def test_it_is_sent_once_whoever_asks():
    alice = make.member("alice")

    assert [members.welcome(alice), members.welcome(alice)] == [False, False]
    assert letters() == ["welcome"]


def test_it_waits_until_every_system_is_ready(monkeypatch):
    monkeypatch.setattr("provisioning.services.tasks.is_done", lambda _: False)
    alice = make.member("alice")
    assert letters() == []

    assert [members.welcome(alice), members.welcome(alice)] == [True, False]

    assert letters() == ["welcome"]


def test_who_is_suspended_meanwhile_gets_it_when_resumed(monkeypatch):
    monkeypatch.setattr("provisioning.services.tasks.is_done", lambda _: False)
    alice = make.member("alice")
    members.suspend_member(alice, reason="", **STAFF)

    assert members.welcome(alice) is False
    monkeypatch.undo()
    members.resume_member(alice, **STAFF)

    assert letters() == ["suspended", "resumed", "welcome"]


def test_a_link_that_ran_out_while_it_waited_is_replaced(monkeypatch):
    monkeypatch.setattr("provisioning.services.tasks.is_done", lambda _: False)
    alice = make.member("alice")
    old = ClaimLink.objects.get()
    ClaimLink.objects.update(expires_at=old.created_at)

    members.welcome(alice)

    letter = Mail.objects.get()
    assert letter.context["claim"] != old.pk.hex


def test_who_has_no_address_yet_gets_it_with_the_first_one():
    alice = make.member("alice", email="")
    assert letters() == []

    members.update_profile(alice, make.Profile("alice", "alice@example.org"), **STAFF)

    assert sorted(letters()) == ["email_changed", "welcome"]
