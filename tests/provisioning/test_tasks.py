"""Tasks: wanted with a change, claimed by one, ended only by who holds the lease."""

import pytest
from django.db import transaction
from django.db.models.functions import Now

from accounts import services as accounts
from accounts.models import Status
from events.models import Event, Mail
from provisioning.models import ProvisioningTask, SftpgoAccount, System, TaskState
from provisioning.services import members, outcomes, tasks
from tests import make
from tests.provisioning.sftpgo_settings import configured

pytestmark = pytest.mark.django_db


@pytest.fixture
def sftpgo(settings):
    settings.SFTPGO = configured()


def from_wordpress(username="alice"):
    return make.member(username, site=make.site(), wordpress_id=7)


def claim():
    (claimed,) = tasks.claim(System.SFTPGO, 5)
    return claimed


def make_due():
    ProvisioningTask.objects.update(next_attempt_at=Now())


def kinds(prefix):
    found = Event.objects.order_by("id").values_list("kind", flat=True)
    return [kind.partition(":")[2] for kind in found if kind.startswith(prefix)]


def test_without_sftpgo_there_is_no_task_and_the_welcome_goes_out_at_once():
    member = from_wordpress()

    assert not ProvisioningTask.objects.exists()
    assert tasks.is_done(member)
    assert Mail.objects.count() == 1


def test_a_registration_waits_for_its_account_and_is_welcomed_once(sftpgo):
    member = from_wordpress()
    assert (tasks.is_done(member), Mail.objects.count()) == (False, 0)

    assert outcomes.succeed(claim(), 1)

    assert (tasks.is_done(member), Mail.objects.count()) == (True, 1)
    tasks.want(member)
    assert not tasks.is_done(member)
    assert outcomes.succeed(claim(), 2)
    assert (tasks.is_done(member), Mail.objects.count()) == (True, 1)
    assert kinds("provisioning") == ["done", "done"]


def test_a_change_during_the_act_leaves_the_task_due(sftpgo):
    member = from_wordpress()
    in_hand = claim()
    tasks.want(member)

    assert outcomes.succeed(in_hand, 1)

    assert (tasks.is_done(member), Mail.objects.count()) == (False, 0)
    assert ProvisioningTask.objects.get().done_version == 1
    assert outcomes.succeed(claim(), 2)
    assert (tasks.is_done(member), Mail.objects.count()) == (True, 1)


def test_a_claimed_task_is_nobody_elses_until_its_lease_runs_out(sftpgo):
    from_wordpress()
    first = claim()
    assert tasks.claim(System.SFTPGO, 5) == []

    ProvisioningTask.objects.update(leased_until=Now())
    second = claim()

    assert first.lease != second.lease
    assert not outcomes.succeed(first, 1)
    assert not outcomes.fail(first, 1, "late", is_final=True)
    assert not outcomes.miss(first, "late")
    assert ProvisioningTask.objects.get().state == TaskState.PENDING
    assert outcomes.succeed(second, 1)


def test_twelve_failures_end_a_task_and_staff_begin_it_anew(sftpgo):
    from_wordpress()
    for attempt in range(12):
        assert ProvisioningTask.objects.get().state == TaskState.PENDING, attempt
        outcomes.fail(claim(), 1, "SFTPGo answered 500.", is_final=False)
        assert tasks.claim(System.SFTPGO, 5) == []
        make_due()

    task = ProvisioningTask.objects.get()
    assert (task.state, task.attempts) == (TaskState.DEAD, 12)
    assert task.last_error == "SFTPGo answered 500."
    assert kinds("provisioning") == ["failed", "dead"]

    assert tasks.retry(task, actor="staff:1")
    assert not tasks.retry(task, actor="staff:1")
    outcomes.succeed(claim(), 1)
    assert kinds("provisioning") == ["failed", "dead", "retried", "done"]


def test_a_final_failure_ends_a_task_unless_there_is_a_newer_state(sftpgo):
    member = from_wordpress()
    in_hand = claim()
    tasks.want(member)

    outcomes.fail(in_hand, 1, "SFTPGo answered 400.", is_final=True)
    assert ProvisioningTask.objects.get().state == TaskState.PENDING

    make_due()
    outcomes.fail(claim(), 2, "SFTPGo answered 400.", is_final=True)
    assert ProvisioningTask.objects.get().state == TaskState.DEAD


def test_a_system_that_is_away_ends_no_task(sftpgo):
    from_wordpress()
    for _ in range(30):
        outcomes.miss(claim(), "Nobody takes the connection.")
        make_due()

    task = ProvisioningTask.objects.get()
    assert (task.state, task.attempts, task.misses) == (TaskState.PENDING, 0, 30)
    assert kinds("provisioning") == ["failed"]


def test_delays_double_up_to_an_hour(sftpgo):
    from_wordpress()
    waits = []
    for _ in range(11):
        outcomes.fail(claim(), 1, "x", is_final=False)
        task = ProvisioningTask.objects.get()
        waits.append((task.next_attempt_at - task.updated_at).total_seconds())
        make_due()

    for attempt, wait in enumerate(waits):
        longest = min(10 * 2**attempt, 3600)
        assert longest * 0.79 <= wait <= longest * 1.01, attempt


def test_a_change_revives_a_dead_task(sftpgo):
    member = from_wordpress()
    outcomes.fail(claim(), 1, "x", is_final=True)

    tasks.want(member)

    task = ProvisioningTask.objects.get()
    assert (task.state, task.attempts, task.last_error) == (TaskState.PENDING, 0, "")


def test_pending_members_and_staff_get_no_account(sftpgo):
    from_wordpress()
    twin = make.member("ALICE", email="other@example.org")
    assert twin.status == Status.PENDING

    tasks.want(make.staff())

    assert ProvisioningTask.objects.count() == 1
    assert SftpgoAccount.objects.count() == 1


def test_a_deletion_is_wanted_and_a_name_never_comes_back(sftpgo):
    member = from_wordpress()
    members.delete_member(member, actor="test")
    assert ProvisioningTask.objects.get().desired_version == 2

    later = make.member("Alice")

    assert later.sftpgo_username.startswith("alice-")


def test_a_rolled_back_change_wants_nothing(sftpgo):
    member = from_wordpress()
    with transaction.atomic():
        accounts.suspend(member, reason="", actor="test")
        tasks.want(member)
        transaction.set_rollback(True)

    assert ProvisioningTask.objects.get().desired_version == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_wanting_needs_the_transaction_of_the_change(sftpgo):
    with pytest.raises(RuntimeError):
        tasks.want(make.staff())
