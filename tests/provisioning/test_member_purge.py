"""What is left of a member MEMBER_PURGE_DAYS after the deletion: a tombstone that nobody can be."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Status, User
from apikeys.models import Grant, Leak, LimitOverride
from apikeys.services.leaks import tell_owner
from events import mail
from events.models import Event, Mail
from events.webhooks.letters import tell_staff
from momentry.common.errors import MomentryError
from provisioning.services import members
from provisioning.services.members.purge import purge_member
from tests import make
from tests.events import hooks
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db
STAFF = {"actor": "staff:1"}
MONTH = timedelta(days=30)


@pytest.fixture
def gone():
    """alice of WordPress, with an SFTPGo name, who was deleted."""
    make.site()
    send(event(1))
    mail.send_due(timezone.now())
    User.objects.update(sftpgo_username="alice")
    alice = User.objects.get()
    Grant.objects.create(member=alice, upstream="echo")
    LimitOverride.objects.create(member=alice, name="requests_per_day", value=9)
    members.suspend_member(alice, reason="wrote to Ann 王", **STAFF)
    members.delete_member(alice, **STAFF)
    return alice


def purge(after: timedelta = MONTH) -> int:
    return members.purge_members(timezone.now() + after, MONTH, actor="test")


def test_a_member_is_purged_once_and_not_before_its_time(gone):
    assert [purge(MONTH - timedelta(seconds=60)), purge(), purge()] == [0, 1, 0]

    assert Event.objects.filter(kind="member:purged").count() == 1


def test_who_lives_is_not_purged(gone):
    members.restore_member(gone, **STAFF)
    make.member("bob")

    assert purge(timedelta(days=4000)) == 0


def test_who_is_restored_while_others_are_purged_keeps_all(gone):
    later = timezone.now() + MONTH
    stale = User.objects.get()
    members.restore_member(User.objects.get(), **STAFF)

    assert purge_member(stale, later, MONTH, actor="test") is False

    assert {letter.recipient for letter in Mail.objects.all()} == {"alice@example.org"}
    assert Grant.objects.filter(member=gone).exists()


def test_nothing_personal_is_left_anywhere(gone):
    purge()

    letters = Mail.objects.all()
    assert {letter.recipient for letter in letters} == {""}
    assert [letter.template for letter in letters] == ["welcome"]  # the only one that was sent
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema='public'"
        )
        for (table,) in cursor.fetchall():
            for text in ("alice@example.org", "Ann 王", "en_US"):
                cursor.execute(
                    f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{text}%"]
                )
                assert cursor.fetchone() == (0,), (table, text)


def test_no_letter_about_leaks_or_to_staff_keeps_the_address(gone):
    key = make.key(make.member("leaky", email="leaky@example.org")).key
    tell_owner(key, Leak.objects.create(key=key, origin="github", source="x", outcome="reported"))
    owner = key.owner
    User.objects.filter(pk=owner.pk).update(is_staff=True, is_superuser=True)
    tell_staff(hooks.endpoint().endpoint)
    of_owner = [row for row in Mail.objects.all() if row.recipient == "leaky@example.org"]
    Mail.objects.update(sent_at=timezone.now())
    User.objects.filter(pk=owner.pk).update(status="deleted", deleted_at=timezone.now())

    purge()

    assert {"key_leaked", "webhook_disabled"} <= {row.template for row in of_owner}
    found = Mail.objects.filter(pk__in=[row.pk for row in of_owner])
    assert [row.recipient for row in found] == [""] * len(of_owner)


def test_what_must_not_come_back_as_somebody_else_stays(gone):
    purge()

    row = User.objects.get()
    assert (row.status, row.site_id, row.wordpress_id) == ("deleted", gone.site_id, 37)
    assert (row.sftpgo_username, row.last_sequence) == ("alice", 1)
    assert not row.has_usable_password()
    assert not Grant.objects.filter(member=row).exists()
    assert not LimitOverride.objects.filter(member=row).exists()


def test_a_late_webhook_of_a_purged_member_brings_nothing_back(gone):
    purge()

    for sequence, kind in enumerate(("user.updated", "user.registered"), start=5):
        assert send(event(sequence, kind)).json() == {"status": "applied"}

    row = User.objects.get()
    assert (row.status, row.email) == ("deleted", "")


def test_what_was_purged_is_not_restored(gone):
    purge()

    with pytest.raises(MomentryError, match="purged"):
        members.restore_member(gone, **STAFF)


def test_who_was_deleted_by_an_older_release_is_purged_too(gone):
    User.objects.update(deleted_at=None, updated_at=timezone.now() - MONTH)

    assert purge(timedelta(seconds=1)) == 1


def test_the_command_says_who_would_go_and_purges(gone, capsys):
    User.objects.update(deleted_at=timezone.now() - MONTH)

    call_command("purge_members", "--dry-run")
    call_command("purge_members")

    said = capsys.readouterr().out.splitlines()
    assert said == [f"{gone.pk} alice", "Would purge 1 members.", "Purged 1 members."]
    assert User.objects.get().status == Status.DELETED
