"""The figures of the database that /metrics shows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.figures import Kept, valkey_rows
from events.hookmodels import DisabledFor, WebhookDelivery, WebhookEndpoint, WebhookFanOut
from events.models import Mail
from events.webhooks import services
from provisioning.models import ProvisioningTask, TaskState
from tests import make
from tests.events import hooks
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


LAG = 'momentry_outbox_lag_seconds{outbox="webhooks"}'


def test_what_waits_for_a_webhook_is_late_from_its_event_on(figures):
    """As a delivery, and before the relay made one of it."""
    hooks.quiet_endpoint()
    assert figures()[LAG] < 60

    hooks.cause()
    hour_ago = timezone.now() - timedelta(hours=1)
    WebhookFanOut.objects.update(created_at=hour_ago)
    assert 3600 <= figures()[LAG] < 3700

    hooks.expand()
    assert 3600 <= figures()[LAG] < 3700
    WebhookDelivery.objects.update(delivered_at=timezone.now())
    assert figures()[LAG] < 60


def test_what_waits_for_a_dead_endpoint_is_not_the_relays_fault(figures):
    dead, off = hooks.quiet_endpoint().endpoint, hooks.quiet_endpoint().endpoint
    WebhookDelivery.objects.update(next_attempt_at=timezone.now() - timedelta(hours=1))
    hooks.happen()
    WebhookDelivery.objects.update(next_attempt_at=timezone.now() - timedelta(hours=1))
    WebhookEndpoint.objects.filter(pk=dead.pk).update(failing_since=timezone.now())
    services.give_up(off.pk, DisabledFor.GONE)

    found = figures()

    assert found[LAG] < 60
    assert (found["momentry_webhook_failing"], found["momentry_webhook_disabled"]) == (1, 1)


def test_webhooks_that_were_given_up_count_and_what_staff_disabled_does_not(figures):
    row = hooks.quiet_endpoint().endpoint
    hooks.happen()
    services.set_active(row, False, actor="test")
    assert (figures()["momentry_webhook_failed"], figures()["momentry_webhook_disabled"]) == (0, 0)

    WebhookDelivery.objects.filter(kind="apikey:created").update(failed_at=timezone.now())

    assert figures()["momentry_webhook_failed"] == 1


def test_rows_that_took_long_are_kept_for_as_much_longer():
    """Those of a house of millions are not counted at every scrape."""
    kept = Kept()
    assert (kept.are_good(0.0), kept.told(0.0)) == (False, [])

    kept.keep([("keys_usable", "", 7)], 10.0, 10.001)
    assert (kept.are_good(14.9), kept.are_good(15.1)) == (True, False)

    kept.keep([("keys_usable", "", 8)], 20.0, 20.5)
    assert (kept.are_good(70.4), kept.are_good(70.6)) == (True, False)
    assert kept.told(60.0) == [("keys_usable", "", 8), ("figures_age_seconds", "", 40.0)]


def test_what_could_not_be_asked_is_not_asked_at_once_again():
    kept = Kept()
    kept.keep([("keys_usable", "", 7)], 10.0, 10.001)

    kept.put_off(20.0)

    assert (kept.are_good(24.9), kept.are_good(25.1)) == (True, False)
    assert kept.told(24.0)[0] == ("keys_usable", "", 7)


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (None, {"valkey_up": 0.0}),
        ("", {"valkey_up": 1.0}),
        ("# Memory\r\nused_memory:12\r\nused_memory_human:12B\r\nmaxmemory:0\r\n",
         {"valkey_up": 1.0, "valkey_memory_bytes": 12.0, "valkey_memory_limit_bytes": 0.0}),
        ("used_memory:much\r\n\r\n:\r\n", {"valkey_up": 1.0}),
    ],
)  # fmt: skip
def test_what_valkey_says_of_itself_is_read_with_care(info, said):
    assert {name: value for name, _, value in valkey_rows(info, None)} == said


def test_the_door_of_django_tells_of_valkey_and_the_schedule(figures):
    found = figures()

    assert found["momentry_valkey_up"] == 1
    assert found["momentry_valkey_memory_bytes"] > 0
    assert found["momentry_schedule_running"] == 0


def test_the_door_of_django_answers_without_valkey(figures, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert figures()["momentry_valkey_up"] == 0
