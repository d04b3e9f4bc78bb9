"""manage.py storage_recount: what drifted is set right, what is being counted is not lost."""

import threading

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from accounts.services.storage import storage_of
from events.models import Event
from tests.provisioning import sftpgo as standin
from tests.provisioning.sftpgo_settings import configured
from tests.videos import sftpgo
from videos.models import Source, Upload, Video
from videos.services import recount
from videos.services.registering import register


def came(member, path, size):
    return register(member, path, size, source=Source.REST, actor="test", anyway=True).video


def figures(member):
    return storage_of(member.pk)[1:]


def run(capsys, *words):
    call_command("storage_recount", *words)
    return capsys.readouterr().out.splitlines()


@pytest.mark.django_db
def test_what_drifted_is_told_and_set_right(capsys):
    alice, bob = sftpgo.member("alice"), sftpgo.member("bob")
    gone = came(alice, "/gone", 5)
    came(alice, "/a", 40)
    came(bob, "/b", 7)
    Video.objects.filter(pk=gone.pk).update(deleted_at=gone.created_at)
    ends = gone.created_at
    Upload.objects.create(owner=alice, path="/kept", size=3, expires_at=ends)
    Upload.objects.create(owner=alice, path="/old", size=9, expires_at=ends, state="expired")

    line = "alice: used 45 is 40, reserved 0 is 3"
    assert run(capsys, "--dry-run") == [line, "Would set 1 members right."]
    assert figures(alice) == (45, 0)

    assert run(capsys) == [line, "Set 1 members right."]
    assert (figures(alice), figures(bob)) == ((40, 3), (7, 0))
    (told,) = Event.objects.filter(kind="storage:repaired")
    assert (told.actor, told.subject) == ("command", f"member:{alice.pk.hex}")
    assert run(capsys) == ["Set 0 members right."]


@pytest.mark.django_db
def test_members_who_did_not_drift_cost_a_few_queries(django_assert_max_num_queries):
    for number in range(20):
        came(sftpgo.member(f"m{number}"), "/a", number)

    with django_assert_max_num_queries(8):
        assert list(recount.recount(actor="test")) == []


@pytest.mark.django_db
def test_sftpgos_figures_are_compared(settings, capsys):
    settings.SFTPGO = configured()
    alice, bob = sftpgo.member("alice"), sftpgo.member("bob")
    came(alice, "/a", 40)
    stand_in = standin.StandIn()
    with standin.serving(stand_in) as url:
        settings.SFTPGO = configured(url)
        for member, used in ((alice, 41), (bob, 0)):
            stand_in.add(member.sftpgo_account.username, used_quota_size=used)
            stand_in.users[member.username]["used_quota_size"] = used
        stand_in.add("stranger")

        assert run(capsys)[1:] == ["sftpgo: alice: 41 there, 40 here"]

    call_command("storage_recount")
    assert "SFTPGo" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_nothing_that_is_counted_meanwhile_is_lost():
    alice = sftpgo.member("alice", None)
    done = threading.Event()
    repaired = []

    def count_again() -> None:
        try:
            while not done.is_set():
                repaired.extend(recount.recount(actor="test"))
        finally:
            connection.close()

    def upload(name: str) -> None:
        try:
            for number in range(25):
                came(alice, f"/{name}{number}", 3)
        finally:
            connection.close()

    counter = threading.Thread(target=count_again)
    uploads = [threading.Thread(target=upload, args=(name,)) for name in "abc"]
    for thread in (counter, *uploads):
        thread.start()
    for thread in uploads:
        thread.join(60)
    done.set()
    counter.join(60)

    assert repaired == []
    assert User.objects.get(pk=alice.pk).quota_used == 3 * 25 * 3
