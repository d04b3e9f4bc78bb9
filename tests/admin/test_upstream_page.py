"""The page of an upstream saves through the services: with its targets, one change, one event."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apikeys.models import Grant
from events.models import Event
from proxy.models import Target, Upstream
from tests import make
from tests.admin.conftest import CREDENTIAL, House, clerk
from tests.admin.pages import change
from tests.admin.test_secrets import upstream_form

ADD = "admin:proxy_upstream_add"
NEW = "sk-another-credential"
SECOND = {"targets-TOTAL_FORMS": 2, "targets-1-base_url": "http://b.test", "targets-1-weight": 3,
          "targets-1-is_active": "on", "targets-1-new_credential": NEW}  # fmt: skip


def post(house: House, client: Client, **given: Any) -> int:
    form = upstream_form(house, **given)
    return client.post(change(Upstream, house.upstream.pk), form).status_code


def events() -> list[tuple[str, dict[str, Any]]]:
    rows = Event.objects.filter(subject="upstream:echo").order_by("id")
    return [(row.kind, json.loads(row.details)) for row in rows]


def test_an_upstream_is_added_with_its_targets(house: House, root: Client) -> None:
    given = upstream_form(house, slug="llm", **SECOND)
    given |= {"targets-INITIAL_FORMS": 0, "targets-0-id": "", "targets-0-upstream": ""}

    answer = root.post(reverse(ADD), given)

    made = Upstream.objects.get(slug="llm")
    assert answer.status_code == 302
    assert [(row.base_url, row.weight, make.secrets_of(row)) for row in made.targets.all()] == [
        ("http://127.0.0.1:9/", 1, []), ("http://b.test", 3, [NEW]),
    ]  # fmt: skip
    assert list(
        Event.objects.filter(kind="upstream:created").values_list("subject", flat=True)
    ) == ["upstream:llm"]


def test_a_change_is_one_event_and_one_version(house: House, root: Client) -> None:
    assert post(house, root, name="Renamed", **SECOND) == 302

    ((kind, details),) = events()
    house.upstream.refresh_from_db()
    assert (kind, details["after"]["name"], house.upstream.version) == (
        "upstream:updated", "Renamed", 2,
    )  # fmt: skip
    assert details["before"]["name"] == "echo"
    assert [target["credential"] for target in details["after"]["targets"]] == ["kept", "new"]
    assert make.secrets_of(Target.objects.get(base_url="http://127.0.0.1:9/")) == [CREDENTIAL]


def test_nothing_new_is_no_change(house: House, root: Client) -> None:
    same = {"connect_timeout_ms": 5000, "first_byte_timeout_ms": 60_000, "tls_verify": "on",
            "idle_timeout_ms": 60_000}  # fmt: skip

    assert post(house, root, **same) == 302

    assert events() == []


def test_a_target_that_is_taken_out_goes(house: House, root: Client) -> None:
    assert post(house, root, **SECOND | {"targets-0-DELETE": "on"}) == 302

    assert [target.base_url for target in Target.objects.all()] == ["http://b.test"]


def test_a_credential_follows_to_no_other_address(house: House, root: Client) -> None:
    moved = {"targets-0-base_url": "http://evil.test"}

    assert post(house, root, **moved) == 200
    assert Target.objects.get().base_url == "http://127.0.0.1:9/"
    assert post(house, root, **moved, **{"targets-0-new_credential": NEW}) == 302
    target = Target.objects.get()
    assert (target.base_url, make.secrets_of(target)) == ("http://evil.test", [NEW])


def test_the_same_base_url_twice_is_refused(house: House, root: Client) -> None:
    post(house, root, **SECOND | {"targets-1-base_url": "http://127.0.0.1:9/"})

    assert make.secrets_of(Target.objects.get()) == [CREDENTIAL]


def test_who_may_not_change_targets_changes_none_by_any_forged_form(house: House) -> None:
    client = clerk("view_upstream", "change_upstream", "view_target")
    forged = {"targets-0-base_url": "http://evil.test", "targets-0-new_credential": NEW}

    assert post(house, client, name="Renamed", **SECOND | forged) == 302

    target = Target.objects.get()
    assert (target.base_url, make.secrets_of(target)) == ("http://127.0.0.1:9/", [CREDENTIAL])
    assert ["targets" in details["fields"] for _, details in events()] == [False]


def test_who_may_only_add_targets_changes_none(house: House) -> None:
    client = clerk("view_upstream", "change_upstream", "view_target", "add_target")
    forged = {"targets-0-base_url": "http://evil.test", "targets-0-new_credential": NEW,
              "targets-0-DELETE": "on"}  # fmt: skip

    assert post(house, client, **SECOND | forged) == 302

    found = {target.base_url: make.secrets_of(target) for target in Target.objects.all()}
    assert found == {"http://127.0.0.1:9/": [CREDENTIAL], "http://b.test": [NEW]}


def test_deleting_it_takes_its_grants_or_is_refused(house: House, root: Client) -> None:
    url = reverse("admin:proxy_upstream_delete", args=[house.upstream.pk])
    key = make.key(make.member("carol")).key
    Grant.objects.create(key=key, upstream="echo")

    root.post(url, {"post": "yes"})
    refused = Upstream.objects.filter(slug="echo").exists()
    Grant.objects.create(key=key, upstream="other")
    root.post(url, {"post": "yes"})

    assert refused
    assert not Upstream.objects.filter(slug="echo").exists()
    assert not Grant.objects.filter(upstream="echo").exists()
    assert events()[-1][0] == "upstream:deleted"


@pytest.mark.parametrize("name", ["version", "created_at", "id", "slug"])
def test_what_the_form_does_not_show_is_not_written(house: House, root: Client, name: str) -> None:
    before = getattr(house.upstream, name)

    assert post(house, root, **{name: "77"}) == 302

    house.upstream.refresh_from_db()
    assert getattr(house.upstream, name) == (2 if name == "version" else before)
