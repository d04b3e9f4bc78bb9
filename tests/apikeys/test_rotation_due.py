"""manage.py rotation_due: apikey:rotation_required once per due date."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from apikeys.models import ApiKey
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS

pytestmark = pytest.mark.django_db


def run():
    out = StringIO()
    call_command("rotation_due", stdout=out)
    return out.getvalue().strip()


def due_key(**values):
    key = make.key().key
    at = timezone.now() - timedelta(hours=1)
    ApiKey.objects.filter(pk=key.pk).update(rotate_every_days=1, rotation_due_at=at, **values)
    return key


def test_a_due_rotation_is_recorded_once():
    key = due_key()

    assert [run(), run()] == ["Rotation required: 1 keys.", "Rotation required: 0 keys."]

    event = Event.objects.get(kind="apikey:rotation_required")
    assert event.subject == f"key:{key.pk.hex}"
    assert "due_at" in json.loads(event.details)


def test_the_next_due_date_is_recorded_again(admin_api):
    key = due_key()
    run()
    admin_api.post(f"{KEYS}/{key.pk}/rotate")
    assert run() == "Rotation required: 0 keys."

    passed = timezone.now() + timedelta(milliseconds=1)
    ApiKey.objects.filter(pk=key.pk).update(rotation_due_at=passed)
    while timezone.now() <= passed:
        pass

    assert run() == "Rotation required: 1 keys."


@pytest.mark.parametrize("end", ["revoked_at", "quarantined_at", "expires_at"])
def test_a_key_that_ended_needs_no_rotation(end):
    due_key(**{end: timezone.now()})

    assert run() == "Rotation required: 0 keys."


def test_a_key_without_a_period_is_never_due():
    make.key()

    assert run() == "Rotation required: 0 keys."
