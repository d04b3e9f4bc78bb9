"""The figures of the database that /metrics shows."""

import pytest

from events.models import Mail
from provisioning.models import ProvisioningTask, TaskState
from tests import make
from tests.provisioning.sftpgo_settings import configured

pytestmark = pytest.mark.django_db


@pytest.fixture
def figures(api):
    def read() -> dict[str, float]:
        secret = make.service_key("metrics").secret
        text = api.get("/metrics", HTTP_X_API_KEY=secret).content.decode()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    return read


def test_members_are_counted_by_status(figures):
    make.member("alice")
    make.member("ALICE")
    make.staff()

    found = figures()

    assert found['momentry_members{status="active"}'] == 1
    assert found['momentry_members{status="pending"}'] == 1


def test_only_keys_that_may_pass_count(figures):
    make.key()

    assert figures()["momentry_keys_usable"] == 2  # alice's claimed one and the scraper's


def test_letters_that_wait_and_that_were_given_up_are_told_apart(figures):
    make.member()
    mail = Mail.objects.get()
    assert (figures()["momentry_mail_due"], figures()["momentry_mail_failed"]) == (1, 0)

    mail.failed_at = mail.created_at
    mail.save()

    assert (figures()["momentry_mail_due"], figures()["momentry_mail_failed"]) == (0, 1)


def test_tasks_that_wait_and_that_were_given_up_are_told_apart(figures, settings):
    settings.SFTPGO = configured()
    make.member("alice")
    make.member("bob")
    ProvisioningTask.objects.filter(member__username="bob").update(state=TaskState.DEAD)

    found = figures()

    waiting, dead = found["momentry_provisioning_waiting"], found["momentry_provisioning_dead"]
    assert (waiting, dead) == (1, 1)
