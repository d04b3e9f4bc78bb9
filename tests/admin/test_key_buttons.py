"""Buttons of a key: disable, enable, quarantine, rotate, and issuing a service key."""

import re

import pytest
from django.test import Client

from apikeys.models import ApiKey
from events.models import Event
from tests import make
from tests.admin.conftest import House, clerk
from tests.admin.pages import button, change, changelist
from tests.apikeys.calls import code

YES = {"confirmed": "yes"}
ISSUE = "/admin/apikeys/apikey/issue_service_key/"
SERVICE = {"name": "Prometheus", "service_name": "prometheus", "role": "metrics"}
SECRET = re.compile(r"(?:muser|mtrial|msvc|madm)_[0-9a-f]{32}_\w+")


def shown(answer) -> str:
    """The one secret of a page."""
    (secret,) = set(SECRET.findall(answer.content.decode()))
    return str(secret)


def test_a_key_is_disabled_enabled_and_quarantined(house: House, root: Client) -> None:
    for action, told in (("disable_this", "key_disabled"), ("enable_this", ""),
                         ("quarantine_this", "key_quarantined")):  # fmt: skip
        assert root.get(button(house.claimed, action)).status_code == 200
        assert root.post(button(house.claimed, action), YES).status_code == 302
        assert code(house.secret) == told

    kinds = ["apikey:disabled", "apikey:enabled", "apikey:quarantined"]
    assert Event.objects.filter(kind__in=kinds, actor__startswith="staff:").count() == 3


def test_keys_are_disabled_from_the_list_after_asking(house: House, root: Client) -> None:
    rows = [str(house.claimed.pk), str(house.unclaimed.pk)]
    data = {"action": "disable_selected", "_selected_action": rows}

    assert root.post(changelist(ApiKey), data).status_code == 200
    assert not ApiKey.objects.exclude(disabled_at=None).exists()
    assert root.post(changelist(ApiKey), data | YES).status_code == 302

    assert ApiKey.objects.exclude(disabled_at=None).count() == 2


def test_a_new_secret_is_in_the_posts_own_answer_and_nowhere_else(
    house: House, root: Client
) -> None:
    asked = root.get(button(house.claimed, "rotate_this"))
    made = root.post(button(house.claimed, "rotate_this"), {"grace": "3600"})
    later = root.get(change(ApiKey, house.claimed.pk))

    assert not SECRET.search(asked.content.decode() + later.content.decode())
    assert [code(secret) for secret in (house.secret, shown(made))] == ["", ""]
    assert "no-store" in made["Cache-Control"]
    assert "messages" not in made.cookies


def test_rotating_without_grace_ends_the_old_secret(house: House, root: Client) -> None:
    made = root.post(button(house.claimed, "rotate_this"), {"grace": "0"})

    assert [code(secret) for secret in (house.secret, shown(made))] == ["invalid_key", ""]


@pytest.mark.parametrize("grace", ["", "5", "-1", "forever"])
def test_a_grace_that_is_not_offered_rotates_nothing(
    grace: str, house: House, root: Client
) -> None:
    answer = root.post(button(house.claimed, "rotate_this"), {"grace": grace})

    assert (answer.status_code, code(house.secret)) == (200, "")
    assert not SECRET.search(answer.content.decode())
    assert not Event.objects.filter(kind="apikey:rotated").exists()


def test_what_cannot_be_rotated_says_why(house: House, root: Client) -> None:
    answer = root.post(button(house.unclaimed, "rotate_this"), {"grace": "0"}, follow=True)

    assert "not claimed yet" in answer.content.decode()


def test_buttons_are_those_that_can_be_pressed(house: House, root: Client) -> None:
    def offered(row: ApiKey) -> list[str]:
        page = root.get(change(ApiKey, row.pk)).content.decode()
        names = ("rotate", "enable", "disable", "quarantine", "revoke")
        return [name for name in names if button(row, f"{name}_this") in page]

    assert offered(house.claimed) == ["rotate", "disable", "quarantine", "revoke"]
    assert offered(house.unclaimed) == ["disable", "quarantine", "revoke"]
    root.post(button(house.claimed, "disable_this"), YES)
    assert offered(house.claimed) == ["rotate", "enable", "quarantine", "revoke"]
    root.post(button(house.claimed, "revoke_this"), YES)
    assert offered(house.claimed) == []


def test_a_superuser_issues_a_service_key(house: House, root: Client) -> None:
    assert ISSUE in root.get(changelist(ApiKey)).content.decode()
    assert root.get(ISSUE).status_code == 200

    made = root.post(ISSUE, {**SERVICE, "days": "30", "rotate_every_days": "10"})

    key = ApiKey.objects.get(service_name="prometheus")
    assert (key.role, key.key_type) == ("metrics", "service")
    assert None not in (key.expires_at, key.rotation_due_at)
    assert (shown(made)[:5], code(shown(made))) == ("msvc_", "")
    assert "no-store" in made["Cache-Control"]
    assert shown(made) not in root.get(change(ApiKey, key.pk)).content.decode()


@pytest.mark.parametrize(
    "given", [{"name": ""}, {"role": "emperor"}, {"days": "0"}, {"service_name": "x" * 65}], ids=str
)
def test_a_form_with_an_error_issues_nothing(
    given: dict[str, str], house: House, root: Client
) -> None:
    before = ApiKey.objects.count()

    assert root.post(ISSUE, SERVICE | given).status_code == 200
    assert ApiKey.objects.count() == before


def test_others_issue_no_service_key_and_rotate_none(house: House) -> None:
    service = make.service_key("metrics")
    client = clerk("view_apikey", "change_apikey", "add_apikey", "delete_apikey")

    assert ISSUE not in client.get(changelist(ApiKey)).content.decode()
    for method in (client.get, client.post):
        assert method(ISSUE, SERVICE).status_code == 403
        assert method(button(service.key, "rotate_this"), {"grace": "0"}).status_code == 403
    assert code(service.secret) == ""
    assert client.post(button(house.claimed, "rotate_this"), {"grace": "0"}).status_code == 200


def test_others_enable_no_service_key(house: House) -> None:
    service = make.service_key("metrics")
    client = clerk("view_apikey", "change_apikey")
    for row in (service.key, house.claimed):
        client.post(button(row, "disable_this"), YES)

    told = client.post(button(service.key, "enable_this"), YES, follow=True).content.decode()
    client.post(button(house.claimed, "enable_this"), YES)

    assert "Only superusers hand out keys of services." in told
    assert (code(service.secret), code(house.secret)) == ("key_disabled", "")


@pytest.mark.parametrize(
    "action", ["rotate_this", "disable_this", "enable_this", "quarantine_this"]
)
def test_view_only_staff_press_none_of_them(action: str, house: House, viewer: Client) -> None:
    for method in (viewer.get, viewer.post):
        assert method(button(house.claimed, action), YES | {"grace": "0"}).status_code == 403
    assert code(house.secret) == ""


def test_rotating_and_issuing_need_the_csrf_token(house: House) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.staff())

    assert client.post(button(house.claimed, "rotate_this"), {"grace": "0"}).status_code == 403
    assert client.post(ISSUE, SERVICE).status_code == 403
