"""LOG-03: whoever the admin refuses is told of as auth:refused, staff by their id; whether the
request came by the gateway or not, which keeps no row of the admin."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from events.models import Event, Refusal
from events.refusals import tell_refusals
from momentry.common.ids import uuid7
from tests.admin.conftest import House, logged_in, staff
from tests.admin.pages import button

pytestmark = pytest.mark.django_db
BY_GATEWAY = {"HTTP_X_MOMENTRY_REQUEST_ID": str(uuid7())}
WAYS = pytest.mark.parametrize("way", [{}, BY_GATEWAY], ids=["alone", "by gateway"])
HERE = {"REMOTE_ADDR": "192.0.2.5"}


def told() -> list[tuple[str, str, dict[str, Any]]]:
    tell_refusals(timezone.now())
    rows = Event.objects.filter(kind="auth:refused").order_by("id")
    return [(row.actor, row.subject, json.loads(str(row.details))) for row in rows]


@WAYS
def test_staff_without_the_right_are_named(way: dict[str, str], house: House) -> None:
    clerk = staff("clerk")
    client = logged_in(clerk)
    pages = [
        reverse("admin:apikeys_tier_add"), button(house.claimed, "revoke_this"),
        reverse("admin:auth_group_changelist"),
    ]  # fmt: skip

    answers = [client.post(page, {"confirmed": "yes"}, **HERE, **way) for page in pages]

    assert [answer.status_code for answer in answers] == [403] * 3
    ((actor, subject, event),) = told()
    assert actor == subject == f"staff:{clerk.pk}"
    assert (event["code"], event["network"], event["count"]) == (
        "permission_denied", "192.0.2.5", 3,
    )  # fmt: skip
    assert event["requests"] == [answer["X-Request-ID"] for answer in answers]


@WAYS
def test_a_form_without_its_token_is_told_with_whose_session_it_was(way: dict[str, str]) -> None:
    clerk = staff("clerk")
    client, stranger = (Client(enforce_csrf_checks=True) for _ in range(2))
    client.force_login(clerk)

    for each in (client, stranger):
        assert each.post("/admin/logout/", **HERE, **way).status_code == 403

    found = {actor: (subject, event["code"], event["count"]) for actor, subject, event in told()}
    assert found == {
        f"staff:{clerk.pk}": (f"staff:{clerk.pk}", "csrf_failed", 1),
        "anonymous": ("auth:csrf_failed", "csrf_failed", 1),
    }


def test_staff_of_one_network_are_told_apart(house: House) -> None:
    clerks = [staff(name) for name in ("one", "two")]
    for clerk in clerks:
        logged_in(clerk).post(reverse("admin:apikeys_tier_add"), **HERE)

    assert sorted(actor for actor, *_ in told()) == sorted(f"staff:{each.pk}" for each in clerks)


def test_what_the_gateway_logs_is_noted_once(db: None) -> None:
    client = Client(enforce_csrf_checks=True)

    answer = client.post("/api/v1/webhooks/wordpress", b"{}", "application/json", **BY_GATEWAY)

    assert (answer.status_code, answer["X-Momentry-Code"]) == (401, "signature_invalid")
    assert not Refusal.objects.exists()


def test_who_may_and_what_is_not_there_are_no_refusals(house: House, root: Client) -> None:
    assert root.get(reverse("admin:apikeys_tier_add")).status_code == 200
    assert root.get("/nowhere").status_code == 404
    assert User.objects.filter(username="root").exists()

    assert not Refusal.objects.exists()
