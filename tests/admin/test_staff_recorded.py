"""LOG-03: staff log in, fail to, log out and get other passwords; each is an event, and what was
typed in vain is kept nowhere."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.services.states import suspend
from events.models import Event, Refusal
from momentry.common import throttle
from tests import make
from tests.admin.conftest import House, logged_in, staff
from tests.admin.pages import change
from tests.admin.test_members import form

pytestmark = pytest.mark.django_db
URL = "/admin/login/"
OTHER = "another battery staple 77"
BROWSER = {"REMOTE_ADDR": "192.0.2.9", "HTTP_USER_AGENT": "Browser/1"}
BY = {"address": "192.0.2.9", "user_agent": "Browser/1"}


@pytest.fixture(autouse=True)
def _cheap_hash(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def browser() -> Client:
    return Client(**BROWSER)


def log_in(client: Client, username: str = "root", password: str = make.PASSWORD) -> int:
    return client.post(URL, {"username": username, "password": password}).status_code


def events() -> list[tuple[str, str, str, Any]]:
    rows = Event.objects.filter(kind__startswith="staff:").order_by("id")
    return [(row.kind, row.actor, row.subject, json.loads(row.details)) for row in rows]


def test_logging_in_and_out_is_recorded(browser: Client) -> None:
    who = f"staff:{make.staff().pk}"

    assert log_in(browser, " ROOT ") == 302
    assert browser.post("/admin/logout/").status_code in (200, 302)

    assert events() == [("staff:logged_in", who, who, BY), ("staff:logged_out", who, who, BY)]
    assert "192.0.2.9" not in str(list(Event.objects.values()))


@pytest.mark.parametrize("name", ["root", "ROOT", " root ", "\uff52oot"])
def test_a_wrong_password_is_recorded_with_whom_it_was_for(name: str, browser: Client) -> None:
    root = make.staff()

    assert log_in(browser, name, "hunter2-hunter2") == 200

    assert events() == [("staff:login_failed", "anonymous", f"staff:{root.pk}", BY)]
    assert not Refusal.objects.exists()


@pytest.mark.parametrize("name", ["hunter2-hunter2", "", "alice", "\x00", "x" * 500, "sue"])
def test_a_name_of_no_staff_is_a_refusal_and_is_kept_nowhere(name: str, browser: Client) -> None:
    make.member("alice")
    suspend(make.member("sue"), reason="", actor="test")
    before = Event.objects.count()

    assert log_in(browser, name, "hunter2-hunter2") == 200

    (refusal,) = Refusal.objects.all()
    assert (refusal.code, refusal.client_address) == ("login_failed", "192.0.2.9")
    assert Event.objects.count() == before


def test_whom_the_caps_keep_waiting_is_a_refusal_too(browser: Client, window: Any) -> None:
    make.staff()
    for _ in range(throttle.LOGIN_ADDRESS.attempts):
        log_in(browser, password="wrong")

    assert [log_in(browser) for _ in range(3)] == [429] * 3

    assert [row.code for row in Refusal.objects.all()] == ["login_throttled"]
    assert {kind for kind, *_ in events()} == {"staff:login_failed"}


def test_nobody_is_logged_in_without_its_event(browser: Client, monkeypatch: Any) -> None:
    make.staff()
    browser.raise_request_exception = False

    def save(*_: Any, **given: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(Event, "save", save)
    answer = browser.post(URL, {"username": "root", "password": make.PASSWORD})

    assert answer.status_code == 500
    assert not Session.objects.exists()
    assert browser.get("/admin/").status_code == 302


def test_ones_own_password_is_changed_with_an_event(browser: Client) -> None:
    root = make.staff()
    log_in(browser)
    page = reverse("admin:password_change")
    wrong = {"old_password": "x", "new_password1": OTHER, "new_password2": OTHER}

    refused = browser.post(page, wrong)
    changed = browser.post(page, {**wrong, "old_password": make.PASSWORD})

    who = f"staff:{root.pk}"
    assert (refused.status_code, changed.status_code) == (200, 302)
    assert events()[1:] == [("staff:password_changed", who, who, BY)]
    assert User.objects.get(pk=root.pk).check_password(OTHER)


def test_a_superuser_gives_staff_another_one_with_an_event(root: Client) -> None:
    other = staff("other")
    page = reverse("admin:auth_user_password_change", args=[other.pk])

    refused = root.post(page, {"password1": "x", "password2": "y"})
    changed = root.post(page, {"password1": OTHER, "password2": OTHER, "usable_password": "true"})

    assert (refused.status_code, changed.status_code) == (200, 302)
    ((kind, actor, subject, _),) = events()
    assert (kind, subject) == ("staff:password_changed", f"staff:{other.pk}")
    assert actor == f"staff:{root.session['_auth_user_id']}"


def test_the_groups_of_staff_are_told_before_and_after(house: House, root: Client) -> None:
    other, helpers = staff("other"), Group.objects.create(name="helpers")
    given = form(other, is_staff="on", email="o@example.org", groups=[str(helpers.pk)])

    root.post(change(User, other.pk), given)
    root.post(change(User, other.pk), given)

    told = [json.loads(row.details) for row in Event.objects.filter(kind="member:updated")]
    assert [each for each in told if each["fields"] == ["groups"]] == [
        {"fields": ["groups"], "before": {"groups": []}, "after": {"groups": ["helpers"]}}
    ]


def test_rights_that_a_form_gives_are_told_before_and_after(root: Client) -> None:
    other = staff("other")

    root.post(change(User, other.pk), form(other, is_staff="on", is_superuser="on"))

    (told,) = [json.loads(row.details) for row in Event.objects.filter(kind="member:updated")]
    assert (told["before"], told["after"]) == ({"is_superuser": False}, {"is_superuser": True})


def test_forced_sessions_of_tests_are_no_log_in(root: Client) -> None:
    logged_in(staff("other"))

    assert events() == []


def test_an_account_that_the_command_makes_is_an_event(monkeypatch: Any) -> None:
    given = {"username": "new", "email": "new@example.org", "interactive": False}
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", OTHER)

    call_command("createsuperuser", **given, verbosity=0)
    with pytest.raises(CommandError):
        call_command("createsuperuser", **given, verbosity=0)

    new = User.objects.get(username="new")
    assert events() == [("staff:created", "command", f"staff:{new.pk}", {"name": "new"})]
    assert new.is_superuser


def test_a_password_that_the_command_changes_is_an_event(monkeypatch: Any) -> None:
    root = make.staff()
    monkeypatch.setattr("getpass.getpass", lambda **_: OTHER)

    call_command("changepassword", "root", stdout=StringIO())

    rows = Event.objects.filter(kind__startswith="staff:")
    assert [(row.kind, row.actor, row.subject, row.details) for row in rows] == [
        ("staff:password_changed", "command", f"staff:{root.pk}", None)
    ]
    assert User.objects.get(pk=root.pk).check_password(OTHER)


@pytest.mark.parametrize(
    ("command", "given"),
    [
        (["createsuperuser"], {"username": "n", "email": "n@example.org", "interactive": False}),
        (["changepassword", "root"], {}),
    ],
)
def test_the_commands_change_nothing_without_an_event(
    command: list[str], given: dict[str, Any], monkeypatch: Any
) -> None:
    make.staff()
    before = list(User.objects.values_list("pk", "password"))
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", OTHER)
    monkeypatch.setattr("getpass.getpass", lambda **_: OTHER)

    def save(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(Event, "save", save)
    with pytest.raises(OSError, match="no room"):
        call_command(*command, **given, stdout=StringIO())

    assert list(User.objects.values_list("pk", "password")) == before
