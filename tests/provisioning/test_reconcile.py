"""manage.py reconcile --sftpgo: drift is said and made due; strangers are linked if asked."""

from io import StringIO
from time import monotonic

import pytest
from django.core.management import CommandError, call_command

from accounts import services as accounts
from accounts.models import User
from provisioning.models import ProvisioningTask, SftpgoAccount, System, TaskState
from provisioning.services import members, outcomes, tasks
from provisioning.services.worker import read
from provisioning.sftpgo.client import Sftpgo, SftpgoError
from provisioning.sftpgo.desired import owner_of
from provisioning.sftpgo.sync import bring
from provisioning.tasks import reconcile
from tests import make
from tests.provisioning.sftpgo import StandIn, serving
from tests.provisioning.sftpgo_settings import configured

pytestmark = pytest.mark.django_db


@pytest.fixture
def stand_in(settings):
    made = StandIn()
    with serving(made) as url:
        settings.SFTPGO = configured(url)
        yield made


def work(settings):
    """What the relay would do, without its threads."""
    for claim in tasks.claim(System.SFTPGO, 100):
        version, desired = read(claim)
        try:
            bring(Sftpgo(settings.SFTPGO), desired, monotonic() + 60)
        except SftpgoError as error:
            outcomes.fail(claim, version, str(error), is_final=True)
        else:
            outcomes.succeed(claim, version)


def told(*words):
    out = StringIO()
    call_command("reconcile", *words, stdout=out)
    return out.getvalue().splitlines()


def states():
    return sorted(ProvisioningTask.objects.values_list("state", flat=True))


@pytest.fixture
def house(stand_in, settings):
    for name in ("alice", "bob", "carol"):
        make.member(name)
    work(settings)
    assert states() == ["done"] * 3
    return stand_in


def test_no_drift_is_nothing_to_do(house):
    assert told("--sftpgo") == ["sftpgo: Mended 0."]
    assert states() == ["done"] * 3


def test_drift_is_said_and_mended_by_the_relay(house, settings):
    del house.users["alice"]
    house.users["bob"].update(status=0, quota_size=7)
    house.add("stranger")

    assert sorted(told("--sftpgo")) == [
        "sftpgo: Mended 2.", "sftpgo: disabled: bob (quota differs)", "sftpgo: missing: alice",
        "sftpgo: unknown: stranger",
    ]  # fmt: skip
    assert states() == ["done", "pending", "pending"]

    work(settings)
    assert set(house.users) == {"alice", "bob", "carol", "stranger"}
    assert (house.users["bob"]["status"], house.users["bob"]["quota_size"]) == (1, 10 * 1024**3)
    assert told("--sftpgo") == ["sftpgo: unknown: stranger", "sftpgo: Mended 0."]


def test_a_dry_run_changes_nothing(house):
    del house.users["alice"]

    assert told("--sftpgo", "--dry-run") == ["sftpgo: missing: alice", "sftpgo: Would mend 1."]
    assert states() == ["done"] * 3


def test_what_is_pending_anyway_is_no_drift(house):
    member = User.objects.get(username="alice")
    accounts.suspend(member, reason="", actor="test")
    tasks.want(member)

    assert told("--sftpgo") == ["sftpgo: Mended 0."]


def test_who_is_on_the_way_is_not_missing(stand_in):
    make.member("alice")

    assert told("--sftpgo") == ["sftpgo: Mended 0."]
    assert ProvisioningTask.objects.get().desired_version == 1


def test_a_suspension_that_sftpgo_forgot_is_mended(house, settings):
    member = User.objects.get(username="alice")
    accounts.suspend(member, reason="", actor="test")

    assert told("--sftpgo") == ["sftpgo: enabled: alice", "sftpgo: Mended 1."]
    work(settings)
    assert (house.users["alice"]["status"], house.disconnected) == (0, ["alice"])


def test_a_dead_task_with_drift_is_due_again(house, settings):
    house.users["alice"]["quota_size"] = 1
    ProvisioningTask.objects.filter(member__username="alice").update(state=TaskState.DEAD)

    told("--sftpgo")

    assert states() == ["done", "done", "pending"]


def test_a_purged_member_that_is_still_there_is_removed(house, settings):
    member = User.objects.get(username="alice")
    members.delete_member(member, actor="test")
    tasks.want_gone(member)
    work(settings)
    assert "alice" not in house.users
    house.add("alice", additional_info=f"momentry:{member.pk}")

    assert told("--sftpgo") == ["sftpgo: not removed: alice", "sftpgo: Mended 1."]
    work(settings)
    assert "alice" not in house.users


def test_used_bytes_are_compared(house):
    house.users["alice"]["used_quota_size"] = 5

    assert told("--sftpgo")[0] == "sftpgo: usage differs: alice (5 there, 0 here)"


def test_members_from_before_sftpgo_get_accounts(stand_in, settings):
    configuration, settings.SFTPGO = settings.SFTPGO, None
    make.member("alice")
    settings.SFTPGO = configuration

    assert told() == ["sftpgo: missing: alice", "sftpgo: Mended 1."]
    work(settings)
    assert "alice" in stand_in.users


def test_whom_a_dry_run_would_adopt_it_does_not_miss(stand_in, settings):
    configuration, settings.SFTPGO = settings.SFTPGO, None
    make.member("alice")
    settings.SFTPGO = configuration
    stand_in.add("Alice")

    said = told("--sftpgo", "--adopt", "--dry-run")

    assert said == ["sftpgo: adopted: Alice (keeps its home)", "sftpgo: Would mend 1."]
    assert not SftpgoAccount.objects.exists()


def test_strangers_are_adopted_with_their_homes(stand_in, settings):
    before = dict(stand_in.add("Alice", home_dir="/srv/old", description="VIP"))
    stand_in.add("bob", email="bob@example.org", home_dir="/srv/bob")
    stand_in.add("carol", email="somebody.else@example.org")
    stand_in.add("dave", additional_info="momentry:01930000-0000-7000-8000-000000000001")
    for name in ("alice", "bob", "carol", "dave"):
        make.member(name)
    stand_in.trouble = lambda *_: ""
    ProvisioningTask.objects.update(state=TaskState.DEAD)

    said = told("--sftpgo", "--adopt")

    assert [line for line in said if "adopted" in line] == [
        "sftpgo: adopted: Alice (keeps its home)", "sftpgo: adopted: bob (keeps its home)",
        "sftpgo: not adopted: carol (its e-mail is another one)",
        "sftpgo: not adopted: dave (it is marked as another member's)",
    ]  # fmt: skip
    work(settings)
    member = User.objects.get(username="alice")
    after = stand_in.users["Alice"]
    assert (after["home_dir"], after["description"]) == ("/srv/old", "VIP")
    assert after["username"] == before["username"] == member.sftpgo_username
    assert owner_of(after) == str(member.pk)
    assert after["quota_size"] == member.quota_size
    assert "alice" not in stand_in.users
    assert stand_in.users["carol"]["additional_info"] == ""


def test_of_case_twins_only_the_same_spelling_is_adopted(stand_in, settings):
    stand_in.add("ALICE")
    stand_in.add("alice")
    make.member("alice")
    ProvisioningTask.objects.update(state=TaskState.DEAD)

    said = told("--sftpgo", "--adopt", "--dry-run")

    assert said[:2] == ["sftpgo: unknown: ALICE", "sftpgo: adopted: alice (keeps its home)"]
    assert SftpgoAccount.objects.get().adopted_at is None


def test_a_home_of_another_member_is_not_adopted(stand_in, settings):
    make.member("alice")
    stand_in.add("bob", home_dir="/data/alice")
    make.member("bob")

    assert "not adopted: bob" in "".join(told("--sftpgo", "--adopt"))


def test_without_adopt_a_stranger_keeps_its_account(stand_in, settings):
    before = dict(stand_in.add("alice"))
    make.member("alice")
    work(settings)

    assert states() == ["dead"]
    assert "another account" in ProvisioningTask.objects.get().last_error
    assert {name: stand_in.users["alice"][name] for name in before} == before
    assert "sftpgo: unknown: alice" in told("--sftpgo")


def test_an_sftpgo_that_is_away_says_so(stand_in, settings):
    stand_in.trouble = lambda *_: "503"

    with pytest.raises(CommandError, match="SFTPGo lets nobody log in: it answered 503"):
        told("--sftpgo")
    reconcile()  # the nightly job logs it


def test_without_a_system_there_is_nothing_to_compare(settings):
    settings.SFTPGO = None

    assert told() == ["No system is configured."]
    with pytest.raises(CommandError, match="SFTPGO_URL"):
        told("--sftpgo")


def test_the_nightly_job_does_the_same(house):
    del house.users["alice"]

    reconcile()

    assert states() == ["done", "done", "pending"]
