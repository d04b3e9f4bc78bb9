"""Deliveries that are long over go; what still waits for an active endpoint stays."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from events.hookmodels import DisabledFor, WebhookDelivery, WebhookEndpoint
from events.tasks import purge_deliveries
from events.webhooks import upkeep
from tests.events.hooks import happen, quiet_endpoint

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def aged(days, **given):
    """One delivery to an endpoint of its own."""
    row = quiet_endpoint().endpoint
    event = happen()
    WebhookDelivery.objects.exclude(endpoint=row).filter(event=event).delete()
    now = timezone.now()
    row.deliveries.filter(event=event).update(created_at=now - days * DAY, **given)
    return row.deliveries.get(event=event).pk


@pytest.fixture
def rows():
    now = timezone.now()
    made = {
        "old": aged(31, delivered_at=now), "given up": aged(31, failed_at=now), "waits": aged(31),
        "young": aged(29, delivered_at=now), "disabled": aged(31), "orphan": aged(31),
    }  # fmt: skip
    WebhookEndpoint.objects.filter(deliveries=made["disabled"]).update(
        disabled_at=now, disabled_for=DisabledFor.STAFF
    )
    gone = WebhookEndpoint.objects.filter(deliveries=made["orphan"])
    gone._raw_delete("default")
    return made


def left(rows):
    found = set(WebhookDelivery.objects.values_list("pk", flat=True))
    return {name for name, pk in rows.items() if pk in found}


def test_what_is_over_goes(rows, monkeypatch):
    monkeypatch.setattr(upkeep, "BATCH", 1)

    purge_deliveries()

    assert left(rows) == {"waits", "young"}


def test_the_command_says_first_what_would_go(rows, capsys):
    call_command("purge_deliveries", "--dry-run")
    assert capsys.readouterr().out.startswith("Would purge 4 ")
    assert len(left(rows)) == 6

    call_command("purge_deliveries", "--days", "28")
    assert capsys.readouterr().out == "Purged 5 webhook deliveries.\n"


@pytest.mark.parametrize("days", ["0", "-1", "4000"])
def test_nonsense_days_are_refused(days):
    with pytest.raises(CommandError):
        call_command("purge_deliveries", "--days", days)
