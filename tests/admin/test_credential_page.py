"""The page of upstreams' credentials saves through the services, and shows masks only."""

import json
from typing import Any

from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from events.models import Event
from proxy.models import Target, TargetCredential
from tests import make
from tests.admin.conftest import CREDENTIAL, House, clerk
from tests.admin.pages import change, changelist

ADD = "admin:proxy_targetcredential_add"
NEW = "sk-another-credential"


def form(target: Target, **given: Any) -> dict[str, Any]:
    return {"target": str(target.pk), "label": "", "is_active": "on", **given}


def events() -> list[Any]:
    """Labels of the credential, as they were and as they are."""
    rows = Event.objects.filter(subject="upstream:echo").order_by("id")
    told = [json.loads(row.details) for row in rows]
    sides = [(each["before"]["credentials"], each["after"]["credentials"]) for each in told]
    return [tuple([row["label"] for row in side] for side in pair) for pair in sides]


def test_a_second_is_added_and_the_first_switched_off(house: House, root: Client) -> None:
    target = Target.objects.get()
    first = target.credentials.get()

    added = root.post(reverse(ADD), form(target, new_secret=NEW, label="new"))
    off = root.post(change(TargetCredential, first.pk), {"label": "old"})
    listed = root.get(changelist(TargetCredential)).content.decode()
    gone = root.post(
        reverse("admin:proxy_targetcredential_delete", args=[first.pk]), {"post": "yes"}
    )

    assert [added.status_code, off.status_code, gone.status_code] == [302, 302, 302]
    assert make.secrets_of(target) == [NEW]
    assert ("old" in listed, "sk-***tial" in listed, CREDENTIAL in listed) == (True, True, False)
    assert events() == [([], ["new"]), ([""], ["old"]), (["old"], [])]
    house.upstream.refresh_from_db()
    assert house.upstream.version == 4
    assert not [entry for entry in LogEntry.objects.all() if NEW in entry.change_message]


def test_one_is_needed_and_must_fit_a_field_line(house: House, root: Client) -> None:
    target = Target.objects.get()

    answers = [
        root.post(reverse(ADD), form(target, new_secret=secret))
        for secret in ("", "line\r\nbreak", "é", " " * 9, "x" * 4097)
    ]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert make.secrets_of(target) == [CREDENTIAL]


def test_a_change_moves_none_and_replaces_none(house: House, root: Client) -> None:
    """Whatever is posted besides."""
    other = make.upstream("other", "http://evil.test").targets.get()
    row = TargetCredential.objects.get()

    root.post(change(TargetCredential, row.pk), form(other, new_secret=NEW, label="x"))

    assert make.secrets_of(Target.objects.get(upstream__slug="echo")) == [CREDENTIAL]
    assert make.secrets_of(other) == []
    assert TargetCredential.objects.get().label == "x"


def test_who_may_look_changes_none(house: House) -> None:
    client = clerk("view_targetcredential")
    row = TargetCredential.objects.get()

    answers = [
        client.post(reverse(ADD), form(row.target, new_secret=NEW)),
        client.post(change(TargetCredential, row.pk), {"label": "x"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert make.secrets_of(row.target) == [CREDENTIAL]
