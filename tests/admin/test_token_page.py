"""The page of external tokens saves through the services, shows masks only, and verifies."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from events.models import Event
from provisioning.models import ExternalToken
from tests import make
from tests.admin.conftest import TOKEN, House, clerk
from tests.admin.pages import button, change, changelist
from tests.provisioning.gitea import Gitea

ADD = "admin:provisioning_externaltoken_add"
NEW = "another-external-token-Zq81pWm4"


def form(**given: Any) -> dict[str, Any]:
    return {
        "provider": "gitea", "owner": "", "label": "desk", "base_url": "http://git.test",
        "username": "", "scopes": "[]", "new_token": "", **given,
    }  # fmt: skip


def test_one_is_added_changed_and_forgotten(house: House, root: Client) -> None:
    added = root.post(reverse(ADD), form(new_token=NEW, scopes='["write:user"]'))
    row = ExternalToken.objects.get(label="desk")
    changed = root.post(change(ExternalToken, row.pk), form(label="door"))
    shown = root.get(change(ExternalToken, row.pk)).content.decode()
    listed = root.get(changelist(ExternalToken)).content.decode()
    gone = root.post(
        reverse("admin:provisioning_externaltoken_delete", args=[row.pk]), {"post": "yes"}
    )

    assert [added.status_code, changed.status_code, gone.status_code] == [302, 302, 302]
    assert ("***pWm4" in listed, NEW in listed + shown, TOKEN in listed) == (True, False, False)
    assert 'name="label"' in shown
    assert not [name for name in ("provider", "owner") if f'name="{name}"' in shown]
    kinds = Event.objects.filter(subject=f"token:{row.pk}").order_by("id")
    assert list(kinds.values_list("kind", "actor")) == [
        (f"token:{what}", f"staff:{root.session['_auth_user_id']}")
        for what in ("created", "updated", "deleted")
    ]
    assert not [entry for entry in LogEntry.objects.all() if NEW in entry.change_message]


def test_faults_stand_at_their_fields_and_repeat_no_secret(house: House, root: Client) -> None:
    faulty = [
        form(), form(new_token="é"), form(new_token="x" * 16_001), form(new_token=NEW, base_url=""),
        form(new_token=NEW, label=""), form(new_token=NEW, provider="x"),
        form(new_token=NEW, scopes='{"a": 1}'), form(new_token=NEW, base_url="ftp://x"),
        form(new_token=NEW, base_url="http://169.254.169.254"),
    ]  # fmt: skip
    answers = [root.post(reverse(ADD), given) for given in faulty]

    assert [answer.status_code for answer in answers] == [200] * len(faulty)
    assert NEW not in "".join(answer.content.decode() for answer in answers)
    for given in (
        form(new_token=NEW, scopes='["repo"]'),
        form(new_token=NEW, provider="wordpress"),
    ):
        assert root.post(reverse(ADD), given, follow=True).status_code == 200
    assert ExternalToken.objects.count() == 1


def test_another_address_takes_the_token_again(house: House, root: Client) -> None:
    row = ExternalToken.objects.get()
    moved = root.post(change(ExternalToken, row.pk), form(label=row.label))
    again = root.post(change(ExternalToken, row.pk), form(label=row.label, new_token=NEW))

    assert (moved.status_code, again.status_code) == (200, 302)
    row.refresh_from_db()
    assert (row.base_url, row.token, row.owner_id) == ("http://git.test", NEW, house.alice.pk)


def test_the_button_verifies(house: House, root: Client) -> None:
    with Gitea() as peer:
        row = make.external_token(token=peer.mint("all"), base_url=peer.base_url, label="x")
        asked = root.post(button(row, "verify_this"))
        root.post(button(row, "verify_this"), {"confirmed": "yes"})

        row.refresh_from_db()
        assert (asked.status_code, row.state, len(peer.heard)) == (200, "valid", 1)


def test_who_may_look_changes_and_sends_none(house: House) -> None:
    row = ExternalToken.objects.get()
    client = clerk("view_externaltoken")

    answers = [
        client.post(reverse(ADD), form(new_token=NEW)),
        client.post(change(ExternalToken, row.pk), form(new_token=NEW)),
        client.post(button(row, "verify_this"), {"confirmed": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    row.refresh_from_db()
    assert (row.token, row.tried_at) == (TOKEN, None)
