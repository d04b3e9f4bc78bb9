"""Tiers, grants, templates and limits in the admin: through services, faults at their fields."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import User
from apikeys.models import ApiKey, Grant, KeyTemplate, LimitOverride, Tier
from apikeys.services.issue import issue_key
from apikeys.services.makers import system
from apikeys.services.wanted import NewKey
from events.models import Event
from tests import make
from tests.admin.conftest import House, clerk, logged_in, staff
from tests.admin.pages import button, change, changelist, name

MONTH = "requests_per_month"
NO_GRANTS = {f"grants-{part}_FORMS": 0 for part in ("TOTAL", "INITIAL")}
TEMPLATE: dict[str, Any] = {
    "slug": "laptop", "key_type": "user", "role": "", "scopes": "proxy:use, usage:read",
    "tier": "starter", "expires_in_days": "90", "rotate_every_days": "",
    "allowed_networks": "192.0.2.0/24", "metadata": '{"a": 1}',
    "limits": '{"requests_per_day": 500}', "grants": '[{"upstream": "llm"}]',
    "max_scopes": "*:read, proxy:use", "max_days": "365",
    "max_limits": '{"requests_per_day": 1000}', "description": "",
}  # fmt: skip


def add(model: type[Model]) -> str:
    return reverse(name(model, "add"))


def kinds(subject: str) -> list[str]:
    rows = Event.objects.filter(subject__startswith=subject, actor__startswith="staff:")
    return list(rows.order_by("id").values_list("kind", flat=True))


def test_a_template_is_made_changed_and_removed_through_the_services(root: Client) -> None:
    made = root.post(add(KeyTemplate), TEMPLATE)
    row = KeyTemplate.objects.get()
    changed = root.post(change(KeyTemplate, "laptop"), TEMPLATE | {"max_days": "100"})
    listed = root.get(changelist(KeyTemplate)).content.decode()
    gone = root.post(reverse(name(KeyTemplate, "delete"), args=["laptop"]), {"post": "yes"})

    assert [made.status_code, changed.status_code, gone.status_code] == [302, 302, 302]
    assert row.scopes == ["proxy:use", "usage:read"]
    assert row.max_scopes == ["jobs:read", "keys:read", "proxy:use", "usage:read", "videos:read"]
    assert row.grants == [{"upstream": "llm", "methods": [], "paths": [], "models": []}]
    assert "90, at most 100" in listed
    assert not KeyTemplate.objects.exists()
    assert kinds("key-template:laptop") == [
        "key-template:created", "key-template:updated", "key-template:deleted",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"scopes": "keys:fly"}, "scopes"),
        ({"max_scopes": "keys:fly"}, "max_scopes"),
        ({"max_scopes": "keys:read"}, "scopes"),
        ({"role": "issuer"}, "role"),
        ({"key_type": "admin"}, "role"),
        ({"max_days": "9"}, "expires_in_days"),
        ({"limits": '{"monthly": 5}'}, "limits"),
        ({"limits": "5"}, "limits"),
        ({"limits": "{"}, "limits"),
        ({"limits": '{"requests_per_day": 1001}'}, "limits"),
        ({"max_limits": '{"requests_per_day": null}'}, "max_limits"),
        ({"grants": '[{"upstream": 5}]'}, "grants"),
        ({"grants": '[{"upstream": "a", "methods": [[]]}]'}, "grants"),
        ({"grants": '["llm"]'}, "grants"),
        ({"grants": '[{"upstream": "llm", "paths": ["v1"]}]'}, "grants"),
        ({"grants": "{}"}, "grants"),
        ({"metadata": "[1]"}, "metadata"),
        ({"allowed_networks": "here"}, "allowed_networks"),
    ],
    ids=str,
)
def test_a_fault_of_a_template_stands_at_its_field(
    given: dict[str, str], field: str, root: Client
) -> None:
    answer = root.post(add(KeyTemplate), TEMPLATE | {"key_type": "user"} | given)

    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert not KeyTemplate.objects.exists()


def test_staff_who_are_no_superusers_make_no_template_for_services(db: None) -> None:
    client = clerk("add_keytemplate", "view_keytemplate", "change_keytemplate")
    service = TEMPLATE | {"key_type": "service", "role": "metrics", "scopes": "", "max_scopes": ""}

    refused, made = client.post(add(KeyTemplate), service), client.post(add(KeyTemplate), TEMPLATE)

    assert (refused.status_code, made.status_code) == (200, 302)
    assert "Only superusers" in refused.content.decode()
    assert KeyTemplate.objects.get().key_type == "user"


def template_in_use() -> ApiKey:
    KeyTemplate.objects.create(
        slug="probe", key_type="service", role="metrics", max_limits={MONTH: 7}
    )
    new = NewKey(name="x", service_name="x", template="probe")
    return issue_key(new, maker=system("test")).key


def test_a_template_in_use_offers_no_deletion(root: Client) -> None:
    template_in_use()

    answer = root.post(reverse(name(KeyTemplate, "delete"), args=["probe"]), {"post": "yes"})

    assert answer.status_code == 403
    assert KeyTemplate.objects.exists()


def test_a_service_key_is_issued_from_a_template(root: Client) -> None:
    template_in_use()
    url = reverse("admin:apikeys_apikey_issue_service_key")
    assert 'value="probe"' in root.get(url).content.decode()

    bare = root.post(url, {"name": "y", "service_name": "y"})
    root.post(url, {"name": "y", "service_name": "y", "template": "probe"})

    assert "Choose a role" in bare.content.decode()
    key = ApiKey.objects.get(name="y")
    assert (key.template_id, key.role, key.expires_at) == ("probe", "metrics", None)
    assert key.limit_overrides.get().value == 7


def test_limits_of_a_member_are_set_behind_a_button(house: House, root: Client) -> None:
    url = button(house.bob, "limits_this")

    answer = root.post(url, {MONTH: "20,000", "requests_per_day": "Unlimited"})

    assert answer.status_code == 302
    rows = LimitOverride.objects.filter(member=house.bob).values_list("name", "value")
    assert dict(rows) == {MONTH: 20_000, "requests_per_day": None}
    assert kinds("member:") == ["member:limits_changed"]
    page = root.get(change(User, house.bob.pk)).content.decode()
    assert "unlimited requests per day, 20,000 requests per month" in page
    assert 'value="20000"' in root.get(url).content.decode()
    root.post(url, {MONTH: ""})
    assert not LimitOverride.objects.exists()


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "1" + "0" * 15 + "1", "²"])
def test_a_limit_that_is_none_stands_at_its_field(text: str, house: House, root: Client) -> None:
    for row in (house.bob, house.claimed):
        answer = root.post(button(row, "limits_this"), {MONTH: text})
        assert MONTH in answer.context["form"].errors
    assert not LimitOverride.objects.exists()


def test_limits_of_a_key_raise_its_version_and_keep_its_templates_bounds(
    house: House, root: Client
) -> None:
    key = template_in_use()
    url = button(key, "limits_this")

    higher = root.post(url, {MONTH: "8"})
    lower = root.post(url, {MONTH: "5"})

    assert "at most 7" in higher.content.decode()
    assert lower.status_code == 302
    assert key.limit_overrides.get().value == 5
    assert ApiKey.objects.get(pk=key.pk).version == 2
    assert "5 requests per month" in root.get(change(ApiKey, key.pk)).content.decode()


def test_view_only_staff_set_no_limits(house: House, viewer: Client) -> None:
    for row in (house.bob, house.claimed):
        assert viewer.get(button(row, "limits_this")).status_code == 403
        assert viewer.post(button(row, "limits_this"), {MONTH: "5"}).status_code == 403
        assert "limits_this" not in viewer.get(change(type(row), row.pk)).content.decode()
    assert not LimitOverride.objects.exists()


def test_staff_who_are_no_superusers_set_no_limits_of_services(house: House) -> None:
    client, service = clerk("view_apikey", "change_apikey"), make.service_key("metrics").key

    refused = client.post(button(service, "limits_this"), {MONTH: "5"})
    client.post(button(house.claimed, "limits_this"), {MONTH: "5"})

    assert "Only superusers" in refused.content.decode()
    assert LimitOverride.objects.get().key == house.claimed


def test_staff_themselves_have_no_limits(house: House, root: Client) -> None:
    other = staff("other")

    assert root.post(button(other, "limits_this"), {MONTH: "5"}).status_code == 404


def test_a_tier_is_changed_with_an_event_and_shown_with_its_bursts(root: Client) -> None:
    tiny = make.tier("tiny", requests_per_second=5, concurrent_requests=2)
    form = {"name": "Tiny", "requests_per_second": "6", "key_lifetime_days": "", **NO_GRANTS}

    assert root.post(change(Tier, "tiny"), form).status_code == 302

    event = Event.objects.get(kind="tier:updated")
    told = json.loads(event.details)
    assert [told[side]["requests_per_second"] for side in ("before", "after")] == [5, 6]
    assert "6 a second" in root.get(changelist(Tier)).content.decode()
    tiny.refresh_from_db()
    assert tiny.concurrent_requests is None


@pytest.mark.parametrize("holder", [None, "member", "key", "template"])
def test_a_tier_in_use_offers_no_deletion(holder: str | None, house: House, root: Client) -> None:
    tiny = make.tier("tiny")
    if holder == "member":
        User.objects.filter(pk=house.bob.pk).update(tier="tiny")
    elif holder == "key":
        ApiKey.objects.filter(pk=house.claimed.pk).update(tier=tiny)
    elif holder == "template":
        KeyTemplate.objects.create(slug="t", tier=tiny)

    answer = root.post(reverse(name(Tier, "delete"), args=["tiny"]), {"post": "yes"})

    assert answer.status_code == (302 if holder is None else 403)
    assert Tier.objects.filter(pk="tiny").exists() is (holder is not None)


def test_grants_on_a_tiers_page_are_events_too(root: Client) -> None:
    tier = make.tier("tiny")
    old = tier.grants.get()
    form = {
        "name": "tiny", "grants-TOTAL_FORMS": 2, "grants-INITIAL_FORMS": 1,
        "grants-0-id": old.pk, "grants-0-tier": "tiny", "grants-0-upstream": "echo",
        "grants-0-DELETE": "on", "grants-1-tier": "tiny", "grants-1-upstream": "llm",
        "grants-1-methods": "post", "grants-1-paths": "/v1/",
    }  # fmt: skip

    assert root.post(change(Tier, "tiny"), form).status_code == 302

    grant = tier.grants.get()
    assert (grant.upstream, grant.methods, grant.paths) == ("llm", ["POST"], ["/v1/"])
    assert kinds("grant:") == ["grant:deleted", "grant:created"]


def test_a_second_grant_for_an_upstream_is_refused_and_nothing_is_saved(root: Client) -> None:
    make.tier("tiny")
    form = {
        "name": "renamed", "grants-TOTAL_FORMS": 1, "grants-INITIAL_FORMS": 0,
        "grants-0-tier": "tiny", "grants-0-upstream": "echo",
    }  # fmt: skip

    answer = root.post(change(Tier, "tiny"), form, follow=True)

    assert "There is a grant for echo" in answer.content.decode()
    assert (Tier.objects.get(pk="tiny").name, Grant.objects.filter(tier="tiny").count()) == (
        "tiny", 1,
    )  # fmt: skip


def test_staff_who_are_no_superusers_grant_nothing_to_services(house: House) -> None:
    user = staff("granter")
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_grant"))
    client, service = logged_in(user), make.service_key("metrics").key
    held = Grant.objects.create(key=service, upstream="held")

    refused = client.post(add(Grant), {"upstream": "llm", "key": str(service.pk)})
    client.post(change(Grant, held.pk), {"upstream": "other", "key": str(service.pk)})
    client.post(reverse(name(Grant, "delete"), args=[held.pk]), {"post": "yes"})
    made = client.post(add(Grant), {"upstream": "llm", "member": str(house.bob.pk)})

    assert (refused.status_code, made.status_code) == (302, 302)
    assert list(service.grants.values_list("upstream", flat=True)) == ["held"]
    assert house.bob.grants.get().upstream == "llm"
    assert kinds("grant:") == ["grant:created"]
