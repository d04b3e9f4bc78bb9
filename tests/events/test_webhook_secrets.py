"""Rotations that follow one another: each secret signs until its own grace is over (WHK-07)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from events.hookmodels import WebhookEndpoint
from events.webhooks import services
from events.webhooks.secrets import forget_formers
from tests.events.hooks import ACTOR, endpoint, refused

pytestmark = pytest.mark.django_db


def test_rotating_again_within_the_grace_cuts_nobody_off():
    issued = endpoint()
    secrets = [issued.secret]
    for hours in (3, 1, 2):
        grace = timedelta(hours=hours)
        secrets.insert(
            0, services.rotate_secret(issued.endpoint.pk, actor=ACTOR, grace=grace).secret
        )
    row = WebhookEndpoint.objects.get()
    now = timezone.now()

    assert row.secrets(now) == secrets
    assert row.secrets(now + timedelta(hours=1.5)) == [secrets[0], secrets[1], secrets[3]]
    assert row.secrets(now + timedelta(hours=2.5)) == [secrets[0], secrets[3]]
    assert row.secrets(now + timedelta(hours=3.5)) == secrets[:1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(e)::text FROM events_webhookendpoint e")
        (stored,) = cursor.fetchone()
    assert not [each for each in secrets if each in stored]


def test_more_than_five_are_refused_and_no_grace_ends_all():
    row = endpoint().endpoint
    for _ in range(5):
        services.rotate_secret(row.pk, actor=ACTOR)
    assert refused(services.rotate_secret, row.pk) == "rotation_in_progress"
    row.refresh_from_db()
    assert len(row.secrets(timezone.now())) == 6

    last = services.rotate_secret(row.pk, actor=ACTOR, grace=timedelta(0))

    row.refresh_from_db()
    assert row.secrets(timezone.now()) == [last.secret]
    assert (row.former_secrets, row.former_until) == (None, None)


def test_secrets_whose_grace_is_over_are_forgotten():
    first = endpoint()
    services.rotate_secret(first.endpoint.pk, actor=ACTOR, grace=timedelta(hours=1))
    now = timezone.now()
    assert forget_formers(now) == 0

    services.rotate_secret(first.endpoint.pk, actor=ACTOR, grace=timedelta(hours=2))
    later = now + timedelta(hours=1.5)
    assert [forget_formers(later), forget_formers(later)] == [1, 0]
    row = WebhookEndpoint.objects.get()
    assert first.secret not in row.former_secrets
    assert len(row.secrets(later)) == 2

    assert forget_formers(now + timedelta(hours=3)) == 1
    row.refresh_from_db()
    assert (row.former_secrets, row.former_until) == (None, None)
