"""INB-06: what webhooks, staff and the purge do here, SFTPGo has a moment later."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from events.models import Mail
from provisioning.models import ProvisioningTask, TaskState
from provisioning.services import members
from provisioning.services.worker import Worker
from provisioning.sftpgo.client import Sftpgo
from tests import make
from tests.gateway.wire import within
from tests.provisioning.sftpgo import StandIn, serving
from tests.provisioning.sftpgo_settings import configured
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def sftpgo(settings):
    stand_in = StandIn()
    with serving(stand_in) as url:
        settings.SFTPGO = configured(url)
        worker = Worker(Sftpgo(settings.SFTPGO))
        worker.start()
        yield stand_in
        worker.stop()


@pytest.fixture
def alice(sftpgo):
    make.site()
    arrive(1)
    return User.objects.get(username="alice")


def settled():
    return not ProvisioningTask.objects.exclude(state=TaskState.DONE).exists()


def arrive(sequence, kind="user.updated", **user):
    answer = send(event(sequence, kind, **user))
    assert answer.json() == {"status": "applied"}
    assert within(30, settled)


def test_a_registration_has_its_account_before_its_welcome(alice, sftpgo):
    assert sftpgo.users["alice"]["email"] == "alice@example.org"
    assert alice.sftpgo_username == "alice"
    assert [mail.template for mail in Mail.objects.all()] == ["welcome"]


def test_wordpress_suspends_changes_and_deletes(alice, sftpgo):
    before = dict(sftpgo.users["alice"])

    arrive(2, status="suspended")
    assert (sftpgo.users["alice"]["status"], sftpgo.disconnected) == (0, ["alice"])

    arrive(3, email="new@example.org")
    assert sftpgo.users["alice"] == {**before, "email": "new@example.org"}

    arrive(4, "user.deleted")
    assert sftpgo.users["alice"]["status"] == 0
    assert sftpgo.disconnected == ["alice", "alice"]
    assert sftpgo.users["alice"]["home_dir"] == "/data/alice"


def test_a_purge_removes_the_account_and_keeps_the_name(alice, sftpgo):
    members.delete_member(alice, actor="test")
    assert within(30, settled)
    assert "alice" in sftpgo.users

    later = timezone.now() + timedelta(days=31)
    assert members.purge_members(later, timedelta(days=30), actor="test") == 1

    assert within(30, settled)
    assert sftpgo.users == {}
    again = make.member("alice")
    assert within(30, settled)
    assert list(sftpgo.users) == [again.sftpgo_username]
    assert again.sftpgo_username != "alice"


def test_a_restored_member_has_its_account_back(alice, sftpgo):
    members.delete_member(alice, actor="test")
    assert within(30, settled)

    members.restore_member(alice, actor="test")

    assert within(30, settled)
    assert sftpgo.users["alice"]["status"] == 1


def test_a_quota_reaches_its_account(alice, sftpgo):
    members.change_member(alice, actor="test", quota_size=12345)
    assert within(30, settled)
    assert sftpgo.users["alice"]["quota_size"] == 12345

    members.change_member(alice, actor="test", quota_size=None)
    assert within(30, settled)
    assert sftpgo.users["alice"]["quota_size"] == 0


@pytest.mark.parametrize("username", ["../x", "a/b", "First Last@example.org", "\u202etxt", "con"])
def test_a_hostile_name_gets_a_plain_account(sftpgo, username):
    make.site()

    arrive(1, "user.registered", username=username)

    ((name, account),) = sftpgo.users.items()
    assert name.endswith("-37")
    assert account["home_dir"] == f"/data/{name}"
    assert "/" not in name
