"""The endpoint of the environment follows WEBHOOK_URL and WEBHOOK_SECRET."""

import pytest
from django.utils import timezone

from events.hookmodels import DisabledFor, WebhookEndpoint
from events.webhooks import services
from events.webhooks.config import GivenEndpoint, read_webhook
from events.webhooks.environment import follow_environment
from momentry.common.egress.allowed import NOTHING
from momentry.common.env import ConfigurationError, Environment
from tests import make
from tests.events.hooks import ACTOR, PUBLIC, kinds_of, refused

pytestmark = pytest.mark.django_db

SECRET, OTHER = make.webhook_secret(1), make.webhook_secret(2)
GIVEN = GivenEndpoint(PUBLIC, SECRET)


def test_the_environments_endpoint_is_made_once_and_follows():
    assert [follow_environment(GIVEN), follow_environment(GIVEN)] == [True, False]
    row = WebhookEndpoint.objects.get()
    assert (row.url, row.kinds, row.is_environment) == (PUBLIC, ["*"], True)

    assert follow_environment(GivenEndpoint(PUBLIC + "/b", OTHER))
    row = WebhookEndpoint.objects.get()
    assert (row.url, row.secrets(timezone.now())) == (PUBLIC + "/b", [OTHER, SECRET])


def test_without_the_variables_it_is_switched_off_and_on_again():
    follow_environment(GIVEN)
    assert [follow_environment(None), follow_environment(None)] == [True, False]
    assert WebhookEndpoint.objects.get().disabled_for == DisabledFor.UNSET

    assert follow_environment(GIVEN)
    assert WebhookEndpoint.objects.get().is_active


@pytest.mark.parametrize("cause", [DisabledFor.GONE, DisabledFor.FAILING])
def test_a_variable_that_is_mended_enables_what_was_given_up(cause):
    follow_environment(GIVEN)
    row = WebhookEndpoint.objects.get()
    services.give_up(row.pk, cause)

    assert follow_environment(GIVEN) is False
    assert follow_environment(GivenEndpoint(PUBLIC, OTHER))
    row.refresh_from_db()
    assert row.disabled_for == cause  # the address that is gone is still the one
    assert follow_environment(GivenEndpoint(PUBLIC + "/b", OTHER))
    row.refresh_from_db()
    assert (row.is_active, row.url, row.failing_since) == (True, PUBLIC + "/b", None)
    assert kinds_of(row)[-2:] == ["webhook:updated", "webhook:enabled"]


def test_what_staff_disabled_no_variable_enables_unless_it_was_gone_meanwhile():
    follow_environment(GIVEN)
    row = WebhookEndpoint.objects.get()
    services.set_active(row, False, actor=ACTOR)

    assert follow_environment(GivenEndpoint(PUBLIC + "/b", SECRET))

    row.refresh_from_db()
    assert (row.url, row.disabled_for) == (PUBLIC + "/b", DisabledFor.STAFF)


@pytest.mark.parametrize("cause", [DisabledFor.GONE, DisabledFor.FAILING, DisabledFor.STAFF])
def test_without_the_variables_it_can_be_deleted_whatever_it_was_disabled_for(cause, caplog):
    follow_environment(GIVEN)
    row = WebhookEndpoint.objects.get()
    services.give_up(row.pk, cause)

    with caplog.at_level("INFO"):
        assert [follow_environment(None), follow_environment(None)] == [True, False]

    row.refresh_from_db()
    assert row.disabled_for == DisabledFor.UNSET
    assert "WEBHOOK_URL is not set: its endpoint is disabled" in caplog.messages
    services.delete_endpoint(row.pk, actor=ACTOR)
    assert not WebhookEndpoint.objects.exists()


def test_nobody_changes_the_environments_endpoint():
    follow_environment(GIVEN)
    row = WebhookEndpoint.objects.get()

    assert refused(services.change_endpoint, row.pk, {"kinds": ["*"]}) == "conflict"
    assert refused(services.rotate_secret, row.pk) == "conflict"
    assert refused(services.delete_endpoint, row.pk) == "conflict"
    services.give_up(row.pk, DisabledFor.FAILING)
    assert services.change_endpoint(row.pk, {"is_active": True}, actor=ACTOR).is_active


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"WEBHOOK_URL": PUBLIC}, "WEBHOOK_SECRET"), ({"WEBHOOK_SECRET": SECRET}, "WEBHOOK_URL"),
        ({"WEBHOOK_URL": "http://127.0.0.1/", "WEBHOOK_SECRET": SECRET}, "WEBHOOK_URL"),
        ({"WEBHOOK_URL": "ftp://1.1.1.1/", "WEBHOOK_SECRET": SECRET}, "WEBHOOK_URL"),
        ({"WEBHOOK_URL": PUBLIC, "WEBHOOK_SECRET": "hunter2"}, "WEBHOOK_SECRET"),
        ({"WEBHOOK_URL": PUBLIC, "WEBHOOK_SECRET": "whsec_AAAA"}, "WEBHOOK_SECRET"),
    ],
)  # fmt: skip
def test_a_bad_environment_is_named_and_not_repeated(given, variable):
    with pytest.raises(ConfigurationError) as raised:
        read_webhook(Environment(given), NOTHING)

    assert raised.value.variable == variable
    assert not [value for value in given.values() if value in str(raised.value)]


def test_the_environment_is_read():
    given = {"WEBHOOK_URL": PUBLIC, "WEBHOOK_SECRET": SECRET}

    assert read_webhook(Environment(given), NOTHING) == GIVEN
    assert read_webhook(Environment({}), NOTHING) is None


def test_an_environment_that_changes_often_keeps_the_newest():
    for number in range(1, 9):
        follow_environment(GivenEndpoint(PUBLIC, make.webhook_secret(number)))

    kept = WebhookEndpoint.objects.get().secrets(timezone.now())

    assert kept == [make.webhook_secret(number) for number in range(8, 2, -1)]
