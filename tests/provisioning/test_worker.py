"""The worker's threads against the stand-in: whose fault a failure is, what a change meanwhile
does, what is held while SFTPGo is asked."""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from accounts import services as accounts
from accounts.models import User
from provisioning.models import ProvisioningTask, SftpgoAccount
from provisioning.services import tasks
from provisioning.services.worker import AWAY_AFTER, Health, Worker
from provisioning.sftpgo import client
from provisioning.sftpgo.client import Sftpgo
from tests import make
from tests.gateway.wire import within
from tests.provisioning.sftpgo import StandIn, serving
from tests.provisioning.sftpgo_settings import configured

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in%'
"""


@pytest.fixture
def stand_in(settings):
    made = StandIn()
    with serving(made) as url:
        settings.SFTPGO = configured(url)
        yield made


@contextmanager
def working(settings):
    worker = Worker(Sftpgo(settings.SFTPGO))
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def states():
    rows = ProvisioningTask.objects.order_by("member__username")
    return dict(rows.values_list("member__username", "state"))


def task_of(username):
    return ProvisioningTask.objects.get(member__username=username)


def change(username, deed):
    with transaction.atomic():
        member = User.objects.get(username=username)
        deed(member)
        tasks.want(member)


def suspend(member):
    return accounts.suspend(member, reason="", actor="test")


def test_an_account_that_sftpgo_cannot_handle_holds_up_no_other(stand_in, settings):
    stand_in.add("poison")
    stand_in.trouble = lambda _, path: "500" if path.endswith("/poison") else ""
    for name in ("alice", "bob", "poison"):
        make.member(name)

    with working(settings):
        assert within(30, lambda: list(states().values()) == ["done", "done", "pending"])
        assert within(30, lambda: task_of("poison").attempts == 1)

    assert task_of("poison").last_error == "SFTPGo answered 500."


@pytest.mark.parametrize("trouble", ["500", "hang"])
def test_an_sftpgo_that_fails_at_everything_costs_no_attempt(
    stand_in, settings, monkeypatch, trouble
):
    monkeypatch.setattr(client, "REQUEST_SECONDS", 1.0)
    stand_in.trouble = lambda _, path: "" if path.endswith("/token") else trouble
    make.member("alice")

    with working(settings):
        assert within(30, lambda: task_of("alice").misses == 1)

    assert task_of("alice").attempts == 0


def test_an_sftpgo_that_is_away_is_not_asked_for_every_member(stand_in, settings):
    stand_in.trouble = lambda *_: "503"
    for number in range(40):
        make.member(f"member{number}")

    with working(settings):
        assert within(30, lambda: not ProvisioningTask.objects.filter(last_error="").exists())

    assert len(stand_in.requests) < 20
    assert set(states().values()) == {"pending"}


def test_one_that_hangs_holds_up_no_other(stand_in, settings, monkeypatch):
    monkeypatch.setattr(client, "REQUEST_SECONDS", 1.0)
    stand_in.trouble = lambda _, path: "hang" if path.endswith("/hung") else ""
    make.member("hung")
    for number in range(12):
        make.member(f"member{number}")

    with working(settings):
        assert within(30, lambda: list(states().values()).count("done") == 12)
        assert within(30, lambda: task_of("hung").attempts == 1)

    assert (task_of("hung").misses, states()["hung"]) == (0, "pending")
    assert "in time" in task_of("hung").last_error


def test_a_refusal_ends_the_task_at_once(stand_in, settings):
    stand_in.trouble = lambda method, _: "400" if method == "POST" else ""
    make.member("alice")

    with working(settings):
        assert within(30, lambda: states() == {"alice": "dead"})

    assert stand_in.changes() == ["POST"]


def test_a_suspension_while_the_account_is_made_reaches_it(stand_in, settings):
    """And nothing of the database is held meanwhile."""
    reached, go_on = threading.Event(), threading.Event()

    def slowly(method, _):
        if method == "POST":
            reached.set()
            go_on.wait(4)
        return ""

    stand_in.trouble = slowly
    make.member("alice")
    with working(settings):
        assert reached.wait(30)
        change("alice", suspend)
        with connection.cursor() as cursor:
            cursor.execute(IN_TRANSACTION)
            assert cursor.fetchone() == (0,)
        go_on.set()
        assert within(30, lambda: states() == {"alice": "done"})

    assert stand_in.users["alice"]["status"] == 0
    assert stand_in.disconnected == ["alice"]
    assert task_of("alice").done_version == 2


def test_a_suspension_that_was_taken_back_reaches_nobody(stand_in, settings):
    make.member("alice")
    with working(settings):
        assert within(30, lambda: states() == {"alice": "done"})
    change("alice", suspend)
    change("alice", lambda member: accounts.resume(member, actor="test"))

    with working(settings):
        assert within(30, lambda: states() == {"alice": "done"})

    assert stand_in.changes() == ["POST"]
    assert task_of("alice").done_version == 3


def test_changes_of_quota_and_address_arrive(stand_in, settings):
    make.member("alice")
    change("alice", lambda member: accounts.change_member(member, actor="test", quota_size=0))

    with working(settings):
        assert within(30, lambda: states() == {"alice": "done"})
        assert stand_in.users["alice"]["quota_size"] == 1  # 0 would be unlimited there
        profile = accounts.Profile("alice", "new@example.org")
        change("alice", lambda member: accounts.update_profile(member, profile, actor="test"))
        assert within(30, lambda: states() == {"alice": "done"})

    assert stand_in.users["alice"]["email"] == "new@example.org"


def test_a_token_that_ends_in_the_middle_is_renewed(stand_in, settings):
    def end_at_the_third(method, _):
        if method == "POST" and stand_in.changes().count("POST") == 3:
            stand_in.expire_tokens()
        return ""

    stand_in.trouble = end_at_the_third
    for number in range(10):
        make.member(f"member{number}")

    with working(settings):
        assert within(30, lambda: set(states().values()) == {"done"})

    assert len(stand_in.users) == 10
    assert stand_in.log_ins == 2
    assert not ProvisioningTask.objects.filter(misses__gt=0).exists()


def test_a_system_that_is_away_is_probed_by_one(monkeypatch):
    health = Health()
    for _ in range(AWAY_AFTER):
        assert health.room(6, 0) == 6
        health.missed("away")

    assert health.room(6, 0) == 0
    health.next_probe = 0.0
    assert health.room(6, 1) == 0
    assert health.room(6, 0) == 1
    assert health.answered()
    assert health.room(6, 3) == 6
    assert not health.answered()


def test_names_given_at_once_differ(settings):
    """As registrations at several sites may be."""
    settings.SFTPGO = configured()
    barrier = threading.Barrier(8)
    members = [make.member(f"m{number}") for number in range(8)]
    SftpgoAccount.objects.all().delete()

    def give(member):
        barrier.wait()
        with transaction.atomic():
            member.username = "alice"
            tasks.want(member)
        connection.close()

    threads = [threading.Thread(target=give, args=[member]) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = list(SftpgoAccount.objects.values_list("username", flat=True))
    assert len({name.lower() for name in found}) == len(found) == 8
    assert "alice" in found
