"""LOG-03: every step of a member's way into another system is an event: what drifted there and was
mended, what was there before and was taken over, what was done, failed and was given up."""

import json

import pytest

from accounts.models import User
from events.models import Event
from provisioning.models import ProvisioningTask, TaskState
from provisioning.services import tasks
from tests import make
from tests.provisioning.test_reconcile import house, stand_in, told, work  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db


def steps(**given):
    rows = Event.objects.filter(kind__startswith="provisioning:", **given).order_by("id")
    return [(row.kind.partition(":")[2], row.actor, json.loads(row.details)) for row in rows]


def of(username):
    return f"member:{User.objects.get(username=username).pk.hex}"


def test_what_drifted_is_told_with_who_looked(house, settings):  # noqa: F811
    before = len(steps())
    del house.users["alice"]
    house.users["bob"]["status"] = 0

    told("--sftpgo", "--dry-run")
    assert steps()[before:] == []
    told("--sftpgo")

    found = {subject: steps(subject=subject)[-1] for subject in (of("alice"), of("bob"))}
    system = {"system": "sftpgo"}
    assert found == {
        of("alice"): ("drifted", "command", {**system, "found": ["missing"]}),
        of("bob"): ("drifted", "command", {**system, "found": ["disabled"]}),
    }
    work(settings)
    assert steps(subject=of("alice"))[-1] == ("done", "relay", system)


def test_what_was_there_before_is_told_as_it_was_taken_over(stand_in, settings):  # noqa: F811
    stand_in.add("Alice", home_dir="/srv/old")
    make.member("alice")
    ProvisioningTask.objects.update(state=TaskState.DEAD)

    told("--sftpgo", "--adopt", "--dry-run")
    assert steps() == []
    told("--sftpgo", "--adopt")

    (adopted,) = steps(kind="provisioning:adopted", subject=of("alice"))
    place = {"username": "Alice", "home_dir": "/srv/old"}
    assert adopted == ("adopted", "command", {"system": "sftpgo", **place})


def test_doing_failing_and_trying_again_are_told(stand_in, settings):  # noqa: F811
    make.member("alice")
    stand_in.trouble = lambda *_: "500"
    work(settings)
    tasks.retry(ProvisioningTask.objects.get(), actor="staff:1")
    stand_in.trouble = lambda *_: ""
    work(settings)

    whats = [(what, actor) for what, actor, _ in steps(subject=of("alice"))]
    assert whats == [("dead", "relay"), ("retried", "staff:1"), ("done", "relay")]
