"""Two staff at once, and staff beside a webhook: one after the other, whoever is first."""

import threading

import pytest
from django.db import connection, transaction

from accounts.models import User
from apikeys.models import ApiKey
from events.models import Event, Mail
from momentry.common.errors import MomentryError
from provisioning.services import members
from tests import make
from tests.gateway.wire import within
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def at_once(*calls):
    """What each said, a refusal by its code."""
    start, said = threading.Barrier(len(calls)), []

    def run(call) -> None:
        try:
            start.wait(10)
            said.append(call())
        except MomentryError as error:
            said.append(error.code.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return said


def fresh() -> User:
    return User.objects.get(username="alice")


def test_of_two_who_suspend_at_once_one_does():
    make.member()

    said = at_once(*[lambda: members.suspend_member(fresh(), reason="", actor="staff:1")] * 4)

    assert sorted(said) == [False, False, False, True]
    assert Event.objects.filter(kind="member:suspended").count() == 1
    assert Mail.objects.filter(template="suspended").count() == 1


def test_of_many_who_restore_at_once_one_makes_a_key():
    members.delete_member(make.member(), actor="staff:1")
    gone = User.objects.get()

    def restore() -> str:
        members.restore_member(User.objects.get(pk=gone.pk), actor="staff:1")
        return "restored"

    said = at_once(*[restore] * 4)

    assert sorted(said) == ["conflict"] * 3 + ["restored"]
    assert ApiKey.objects.filter(revoked_at=None).count() == 1


def test_resuming_and_deleting_at_once_never_leaves_a_live_key():
    for number in range(5):
        alice = make.member(f"alice{number}")
        key = make.key(alice).key
        members.suspend_member(alice, reason="", actor="staff:1")

        at_once(
            lambda pk=alice.pk: members.resume_member(User.objects.get(pk=pk), actor="staff:1"),
            lambda pk=alice.pk: members.delete_member(User.objects.get(pk=pk), actor="staff:2"),
        )

        alice.refresh_from_db()
        assert alice.status == "deleted"
        assert ApiKey.objects.get(pk=key.pk).revoked_at is not None


def test_a_key_is_not_made_for_a_member_who_is_being_deleted():
    """The member's row is locked first by both."""
    alice = make.member()
    said = []

    def delete() -> None:
        try:
            said.append(members.delete_member(User.objects.get(pk=alice.pk), actor="staff:1"))
        finally:
            connection.close()

    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=alice.pk)
        thread = threading.Thread(target=delete)
        thread.start()
        assert within(20, lambda: waiting() > 0)
        make.key(alice)
    thread.join(30)

    assert said == [True]
    assert not ApiKey.objects.filter(revoked_at=None).exists()


def waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return int(cursor.fetchone()[0])


def test_staff_who_suspend_beside_a_webhook_that_resumes_win():
    make.site()
    send(event(1))
    for sequence in range(2, 10, 2):
        send(event(sequence, "user.updated", status="suspended"))
        at_once(
            lambda n=sequence: send(event(n + 1, "user.updated")).json()["status"],
            lambda: members.suspend_member(fresh(), reason="abuse", actor="staff:1"),
        )
        assert (fresh().status, fresh().status_reason) == ("suspended", "abuse")
        members.resume_member(fresh(), actor="staff:1")


def test_a_name_that_becomes_free_is_given_once():
    alice = make.member()
    for number in range(3):
        make.member("Alice", email=f"a{number}@example.org")

    at_once(
        lambda: members.delete_member(User.objects.get(pk=alice.pk), actor="staff:1"),
        lambda: members.resolve_waiting(actor="schedule"),
        lambda: members.resolve_waiting(actor="schedule"),
    )

    live = User.objects.filter(username="Alice", status="active")
    assert live.count() == 1
    assert Event.objects.filter(kind="member:resolved").count() == 1
