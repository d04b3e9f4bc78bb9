"""Buttons and list actions: they ask first, call the service, and leave an event."""

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from accounts.models import Status, User
from apikeys.models import ApiKey
from events.models import Event, Mail
from provisioning.models import ClaimLink
from provisioning.services.claims import claim_url
from tests import make
from tests.admin.conftest import House, clerk
from tests.admin.pages import button, change, changelist

YES = {"confirmed": "yes"}


def kinds(**given: Any) -> list[str]:
    return list(Event.objects.filter(**given).order_by("id").values_list("kind", flat=True))


def actor(client: Client) -> str:
    return f"staff:{client.session['_auth_user_id']}"


def run(client: Client, model: type[Model], action: str, *rows: Model, **given: str) -> int:
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows], **given}
    return client.post(changelist(model), data).status_code


def test_revoking_asks_first(house: House, root: Client) -> None:
    asked = root.get(button(house.claimed, "revoke_this"))
    unconfirmed = root.post(button(house.claimed, "revoke_this"))

    assert "stop working at once" in asked.content.decode()
    assert unconfirmed.status_code == 200
    assert ApiKey.objects.get(pk=house.claimed.pk).revoked_at is None


def test_a_key_is_revoked_once_and_recorded(house: House, root: Client) -> None:
    for _ in range(2):
        assert root.post(button(house.claimed, "revoke_this"), YES).status_code == 302

    assert ApiKey.objects.get(pk=house.claimed.pk).revoked_at is not None
    assert kinds(kind="apikey:revoked", actor=actor(root)) == ["apikey:revoked"]


def test_keys_are_revoked_from_the_list_after_asking(house: House, root: Client) -> None:
    rows = (house.claimed, house.unclaimed)

    assert run(root, ApiKey, "revoke_selected", *rows) == 200
    assert not ApiKey.objects.exclude(revoked_at=None).exists()
    assert run(root, ApiKey, "revoke_selected", *rows, confirmed="yes") == 302

    assert len(kinds(kind="apikey:revoked")) == 2


def test_a_claim_link_is_shown_once_and_stored_nowhere(house: House, root: Client) -> None:
    old = ClaimLink.objects.get(key=house.unclaimed)

    asked = root.get(button(house.unclaimed, "claim_this"))
    made = root.post(button(house.unclaimed, "claim_this"), YES)
    later = root.get(change(ApiKey, house.unclaimed.pk))

    link = ClaimLink.objects.get(key=house.unclaimed, voided_at=None)
    assert ClaimLink.objects.get(pk=old.pk).voided_at is not None
    assert claim_url(link) in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    assert "/claim/" not in asked.content.decode() + later.content.decode()
    assert "messages" not in made.cookies
    assert kinds(kind="claim:created", actor=actor(root)) == ["claim:created"]


def test_a_claimed_key_gets_no_link(house: House, root: Client) -> None:
    answer = root.post(button(house.claimed, "claim_this"), YES, follow=True)

    assert "claimed already" in answer.content.decode()
    assert ClaimLink.objects.filter(key=house.claimed).count() == 0


def test_the_link_of_an_admin_key_is_for_superusers(house: House) -> None:
    key = make.service_key("admin").key
    ApiKey.objects.filter(pk=key.pk).update(digest=None)

    answer = clerk("view_apikey", "change_apikey").post(button(key, "claim_this"), YES)

    assert answer.status_code == 403


def test_a_member_is_suspended_with_a_reason_resumed_and_deleted(
    house: House, root: Client
) -> None:
    root.post(button(house.bob, "suspend_this"), {**YES, "reason": "unpaid <b>bill</b>"})
    house.bob.refresh_from_db()
    assert (house.bob.status, house.bob.status_reason) == (Status.SUSPENDED, "unpaid <b>bill</b>")
    assert "<b>bill</b>" not in root.get(change(User, house.bob.pk)).content.decode()

    root.post(button(house.bob, "resume_this"), YES)
    house.bob.refresh_from_db()
    assert house.bob.status == Status.ACTIVE

    root.post(button(house.bob, "delete_this"), YES)
    house.bob.refresh_from_db()
    assert house.bob.status == Status.DELETED
    assert not ApiKey.objects.filter(owner=house.bob, revoked_at=None).exists()
    assert kinds(actor=actor(root))[:3] == ["member:suspended", "member:resumed", "member:deleted"]


def test_members_are_suspended_from_the_list(house: House, root: Client) -> None:
    done = run(root, User, "suspend_selected", house.alice, house.bob, confirmed="yes")

    assert done == 302
    assert User.objects.filter(status=Status.SUSPENDED).count() == 2


def test_nobody_suspends_themselves(root: Client) -> None:
    me = User.objects.get(username="root")

    assert root.post(button(me, "suspend_this"), YES).status_code == 403


def test_a_given_up_letter_is_sent_again_once(house: House, root: Client) -> None:
    mail = Mail.objects.get(context__claim="0" * 32)
    Mail.objects.filter(pk=mail.pk).update(failed_at=timezone.now(), attempts=12)

    for _ in range(2):
        root.post(button(mail, "retry_this"), YES)

    mail.refresh_from_db()
    assert (mail.failed_at, mail.attempts) == (None, 0)
    assert kinds(kind="mail:retried") == ["mail:retried"]


@pytest.mark.parametrize("action", ["revoke_this", "claim_this", "suspend_this"])
def test_a_deed_needs_the_csrf_token(action: str, house: House) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.staff())
    row: Model = house.bob if action == "suspend_this" else house.claimed

    assert client.post(button(row, action), YES).status_code == 403
    assert ApiKey.objects.get(pk=house.claimed.pk).revoked_at is None


def test_more_rows_than_anybody_reads_are_refused(
    house: House, root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("momentry.common.staff.MOST_AT_ONCE", 1)

    run(root, User, "suspend_selected", house.alice, house.bob, confirmed="yes")

    assert not User.objects.filter(status=Status.SUSPENDED).exists()
