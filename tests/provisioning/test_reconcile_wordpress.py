"""manage.py reconcile --wordpress: what differs is found and mended, nobody is lost by mistake."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts import services as accounts
from accounts.models import Status, User
from apikeys.models import ApiKey
from events.models import Mail
from provisioning.models import Reconciliation
from provisioning.services import wordpress_drift as services
from provisioning.services.wordpress_drift import How, reconcile_site
from provisioning.tasks import reconcile
from tests import make
from tests.provisioning.comparing import run, state
from tests.provisioning.rest import AUTHORIZATION, PASSWORD
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db


def test_users_nobody_told_of_become_members_with_a_key_and_a_welcome(asking, there):
    there.add(1, "alice")
    there.add(2, "bob", roles=[])

    told = run()

    assert state() == {
        1: ("alice", "alice@example.org", "active"), 2: ("bob", "bob@example.org", "suspended"),
    }  # fmt: skip
    assert (ApiKey.objects.count(), Mail.objects.count()) == (2, 1)
    assert "2 new" in told


def test_a_second_run_finds_nothing(three):
    assert "3 same" in run()
    assert Reconciliation.objects.first().counts == {"same": 3}


def test_every_kind_of_drift_is_mended(three, there):
    there.users[1]["email"] = "a2@example.org"
    there.users[2]["roles"] = []
    del there.users[3]
    there.add(4, "dora")

    told = run()

    assert state() == {
        1: ("alice", "a2@example.org", "active"), 2: ("bob", "bob@example.org", "suspended"),
        3: ("carol", "carol@example.org", "deleted"), 4: ("dora", "dora@example.org", "active"),
    }  # fmt: skip
    for line in ("profile: user 1 (email)", "status: user 2 (suspended there)", "gone: user 3",
                 "new: user 4"):  # fmt: skip
        assert line in told
    assert "a2@example.org" not in told
    assert ApiKey.objects.get(owner__wordpress_id=3).revoked_at is not None

    there.users[2]["roles"] = ["subscriber"]
    run()
    assert state()[2][2] == Status.ACTIVE


def test_a_dry_run_says_the_same_and_changes_nothing(three, there):
    before = state()
    there.users[1]["email"] = "a2@example.org"
    del there.users[3]

    told = run("--dry-run")

    assert state() == before
    assert "profile: user 1 (email)" in told
    assert "gone: user 3" in told
    assert Reconciliation.objects.first().is_dry_run


def test_what_the_plugin_says_of_a_user_counts_more_than_roles(three, there):
    there.users[1]["momentry_status"] = "suspended"
    there.users[2]["momentry_status"] = "excluded"
    there.add(4, "dora", momentry_status="excluded")
    there.add(5, "emma", momentry_status="active", roles=[])

    run()

    assert {number: row[2] for number, row in state().items()} == {
        1: "suspended", 2: "suspended", 3: "active", 5: "active",
    }  # fmt: skip


def test_users_of_excluded_roles_are_left_alone(three, there, settings):
    settings.WORDPRESS_EXCLUDED_ROLES = frozenset({"administrator"})
    there.add(4, "dora", roles=["administrator"])

    run()

    assert 4 not in state()


def test_staff_alone_undo_what_staff_did(three, there):
    accounts.suspend(User.objects.get(wordpress_id=1), reason="abuse", actor="staff:1")
    call = User.objects.get(wordpress_id=2)
    accounts.mark_deleted(call, actor="staff:1")

    assert "1 deleted here" in run()

    assert (state()[1][2], state()[2][2]) == ("suspended", "deleted")


def test_hundreds_are_read_page_by_page(asking, there):
    for number in range(1, 251):
        there.add(number, f"u{number}", momentry_status="excluded")

    run()

    assert there.asked.count("/wp/v2/users") == 3


def test_a_user_no_member_can_be_made_of_is_told_and_the_others_go_on(three, there):
    there.add(4, "dora", email="not an address")
    there.add(5, "emma", roles="none")
    there.add(6, "faye")

    told = run()

    assert "unreadable: user 4" in told
    assert "unreadable: user 5 (#/data/user/roles must be a list of texts)" in told
    assert state()[6][0] == "faye"


def test_a_name_in_use_is_a_conflict_for_staff(three, there):
    make.member("zoe")
    there.add(4, "zoe", email="other@example.org")

    run()

    assert state()[4] == ("zoe", "other@example.org", "pending")


def test_application_passwords_that_are_off_are_told(asking, there):
    there.has_passwords = False

    with pytest.raises(CommandError):
        run()

    assert Reconciliation.objects.get().error == "Application Passwords are off: use https."


def test_plain_permalinks_are_found(asking, there):
    there.is_pretty = False
    there.add(1, "alice")

    run()

    assert state()[1][0] == "alice"


def test_webhooks_of_a_restored_database_count_again_when_staff_say_so(asking, there):
    send(event(1000, id=1))
    there.add(1, "alice", email="alice@example.org", name="Ann 王")
    assert send(event(7, "user.updated", id=1, display_name="Restored")).json() == {
        "status": "stale"
    }

    run("--reset-sequences")

    assert send(event(8, "user.updated", id=1, display_name="Restored")).json() == {
        "status": "applied"
    }


def test_a_webhook_that_comes_in_between_wins(three, there, monkeypatch):
    there.users[1]["name"] = "Older"
    real = services.refresh
    told = []

    def refresh(site, number, api):
        real_user = api.user

        def user(wordpress_id):
            found = real_user(wordpress_id)
            if not told:
                told.append(send(event(5, "user.updated", id=1, display_name="Newer")).json())
                there.users[1]["name"] = "Newer"
            return found

        monkeypatch.setattr(api, "user", user)
        return real(site, number, api)

    monkeypatch.setattr(services, "refresh", refresh)
    run()

    assert told == [{"status": "applied"}]
    assert User.objects.get(wordpress_id=1).display_name == "Newer"


def test_the_nightly_task_compares_every_site_that_can_be_asked(three, there):
    make.site(2)
    there.add(4, "dora")

    reconcile()

    assert state()[4][0] == "dora"
    assert Reconciliation.objects.first().actor == "schedule"


def test_nothing_secret_is_in_the_report(three, there, client):
    there.users[1]["email"] = "a2@example.org"
    report = reconcile_site(three, How("test"))
    client.force_login(make.staff())

    page = client.get(reverse("admin:provisioning_reconciliation_change", args=[report.pk]))

    assert "user 1: profile, email" in page.content.decode()
    for hidden in (PASSWORD, AUTHORIZATION, "a2@example.org"):
        assert hidden not in page.content.decode()


def test_the_connection_test_says_step_by_step_what_is_wrong(three, there, client):
    client.force_login(make.staff())
    place = reverse("admin:accounts_site_test_this", args=[three.pk])

    def told() -> str:
        answer = client.post(place, {"confirmed": "yes"}, follow=True)
        return str(answer.content, "utf-8")

    assert "may read all users" in told()
    there.has_passwords = False
    assert "Application Passwords are off: use https." in told()
    there.has_passwords = True
    three.rest_password = "wrong"
    three.save()
    assert "refuses the username or the Application Password" in told()
    there.stop()
    assert "cannot be asked" in told()


def test_the_command_tests_the_connection_too(three, there):
    out = StringIO()
    call_command("check_site", three.url, stdout=out)
    assert "may read all users" in out.getvalue()
    assert "plugin momentry provisioning is not active" in out.getvalue()

    there.has_passwords = False
    with pytest.raises(CommandError):
        call_command("check_site", stdout=out)
