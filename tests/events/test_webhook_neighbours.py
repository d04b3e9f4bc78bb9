"""A dead endpoint delays no other (WHK-06), is given up after days (and staff told), and nobody is
contacted whom the egress guard forbids (SSR-02)."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.core import mail as django_mail
from django.utils import timezone

from events import mail
from events.hookmodels import DisabledFor, WebhookDelivery, WebhookEndpoint
from events.kinds import Kind
from events.models import Event, Mail
from events.webhooks import health
from events.webhooks.deliveries import Room, claim
from events.webhooks.sending import PLACES, SHARED
from momentry.common.egress import client
from momentry.common.egress.allowed import NOTHING, Allowed
from tests import make
from tests.events.hooks import (
    PUBLIC,
    deliver,
    happen,
    has_tried,
    one,
    quiet_endpoint,
    receiving,
    refused_url,
    silence,
    states,
)

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.EGRESS_ALLOW = Allowed((ip_network("127.0.0.0/8"),))


def proven(*rows):
    """Something arrived there before."""
    WebhookEndpoint.objects.filter(pk__in=[row.pk for row in rows]).update(
        succeeded_at=timezone.now()
    )


@pytest.mark.parametrize("were_proven", [True, False])
def test_one_that_hangs_and_one_that_refuses_delay_nobody(were_proven):
    with silence() as silent, receiving() as receiver:
        hangs = quiet_endpoint(silent.url).endpoint
        refuses = quiet_endpoint(refused_url()).endpoint
        well = quiet_endpoint(receiver.url).endpoint
        if were_proven:
            proven(hangs, refuses, well)
        WebhookDelivery.objects.all().delete()
        for _ in range(40):
            happen()
        assert deliver(lambda: set(states(well)) == {"delivered"})

    assert "delivered" not in states(hangs, refuses)
    late = max(each.delivered_at - each.created_at for each in well.deliveries.all())
    assert late <= timedelta(seconds=5)


def test_any_number_of_dead_ones_leave_places_for_those_that_live():
    """More than there are places at all."""
    with silence() as silent, receiving() as receiver:
        well = quiet_endpoint(receiver.url, "member:*").endpoint
        proven(well)
        secret = make.webhook_secret()
        WebhookEndpoint.objects.bulk_create(
            WebhookEndpoint(url=f"{silent.url}{each}", kinds=["tier:*"], secret=secret)
            for each in range(PLACES + 10)
        )
        happen(Kind.TIER_CREATED)

        def done():
            """Once as many hang as may, something happens that the living is told of."""
            if len(silent.taken) < PLACES // 2:
                return False
            if not well.deliveries.exists():
                happen(Kind.MEMBER_CREATED)
            return states(well) == ["delivered"]

        assert deliver(done)

    (sent,) = well.deliveries.all()
    assert sent.delivered_at - sent.created_at <= timedelta(seconds=5)


@pytest.mark.parametrize("dead", [40, 60])
def test_those_that_worked_and_die_at_the_same_moment_stop_nobody(dead):
    """All behind one provider, each with more in hand than the places hold together."""
    with silence() as silent, receiving() as receiver:
        well = quiet_endpoint(receiver.url, "member:*").endpoint
        secret = make.webhook_secret()
        rows = WebhookEndpoint.objects.bulk_create(
            WebhookEndpoint(url=f"{silent.url}{each}", kinds=["tier:*"], secret=secret)
            for each in range(dead)
        )
        proven(well, *rows)
        for _ in range(8):
            happen(Kind.TIER_CREATED)

        def done():
            if len(silent.taken) < SHARED:
                return False
            if not well.deliveries.exists():
                happen(Kind.MEMBER_CREATED)
            return states(well) == ["delivered"]

        assert deliver(done)

    (sent,) = well.deliveries.all()
    assert sent.delivered_at - sent.created_at <= timedelta(seconds=5)


def test_many_that_wait_for_one_hide_nothing_of_another():
    """As many places as an endpoint has are looked at, not the oldest of all."""
    crowded, other = quiet_endpoint().endpoint, quiet_endpoint().endpoint
    WebhookDelivery.objects.all().delete()
    for _ in range(30):
        happen()
    other.deliveries.exclude(pk=other.deliveries.last().pk).delete()

    found = [each.endpoint for each in claim(Room(False, 1, 100), {})]

    assert sorted(found) == sorted([crowded.pk, other.pk])
    assert claim(Room(False, 1, 100), {crowded.pk: 1, other.pk: 1}) == []
    assert len(claim(Room(False, 5, 3), {crowded.pk: 1})) == 3


def failing(row, since, last):
    now = timezone.now()
    WebhookEndpoint.objects.filter(pk=row.pk).update(
        failing_since=now - timedelta(days=since), failed_at=now - timedelta(days=last)
    )


def fail_once(row):
    happen()
    assert deliver(has_tried)
    row.refresh_from_db()


def test_five_days_of_failures_disable_it_and_staff_get_a_letter():
    make.staff("root")
    row = quiet_endpoint(refused_url()).endpoint
    failing(row, since=5, last=1)
    fail_once(row)

    assert row.disabled_for == DisabledFor.FAILING
    event = Event.objects.get(kind="webhook:disabled")
    assert (event.actor, event.subject) == ("relay", f"webhook:{row.pk.hex}")
    (letter,) = Mail.objects.all()
    assert letter.recipient == "root@example.org"
    for locale in ("", "zh_TW"):
        Mail.objects.update(locale=locale, sent_at=None, next_attempt_at=timezone.now())
        assert mail.send_due(timezone.now()) == 1
    assert all(row.pk.hex in sent.body.replace("-", "") for sent in django_mail.outbox)
    assert [sent.subject for sent in django_mail.outbox] == [
        "A webhook endpoint was disabled",
        "Webhook 端點已停用",
    ]


@pytest.mark.parametrize(("since", "last"), [(4.9, 1), (30, 2.1)])
def test_fewer_days_do_not_nor_days_in_which_nothing_was_tried(since, last):
    row = quiet_endpoint(refused_url()).endpoint
    failing(row, since, last)
    fail_once(row)

    assert row.is_active
    expected = 0 if last > health.SILENCE.days else since
    began = timezone.now() - timedelta(days=expected)
    assert abs(row.failing_since - began) < timedelta(minutes=5)


def test_what_arrives_ends_the_failing():
    with receiving() as receiver:
        row = quiet_endpoint(receiver.url).endpoint
        failing(row, since=30, last=1)
        fail_once(row)

    assert (row.is_active, row.failing_since) == (True, None)


def test_staff_who_may_not_see_endpoints_get_no_letter():
    make.staff("clerk", superuser=False)
    row = quiet_endpoint(refused_url()).endpoint
    failing(row, since=9, last=1)
    fail_once(row)

    assert not row.is_active
    assert not Mail.objects.exists()


def test_a_name_that_leads_elsewhere_by_then_is_not_followed(settings, monkeypatch):
    """Rebinding: judged is the address that is dialled, each time."""
    settings.EGRESS_ALLOW = NOTHING
    with receiving() as receiver:
        monkeypatch.setattr(client, "resolve", lambda _: ["1.1.1.1"])
        quiet_endpoint(receiver.url.replace("127.0.0.1", "rebound.example"))
        monkeypatch.setattr(client, "resolve", lambda _: ["127.0.0.1"])
        happen()
        assert deliver(has_tried)

    assert receiver.heard == []
    assert one().last_error.startswith("egress: ")


def test_of_several_addresses_only_those_allowed_are_dialled(monkeypatch):
    with receiving() as receiver:
        monkeypatch.setattr(
            client, "resolve", lambda _: ["10.0.0.1", "169.254.169.254", "127.0.0.1"]
        )
        quiet_endpoint(receiver.url.replace("127.0.0.1", "several.example"))
        happen()
        assert deliver(lambda: states() == ["delivered"])

    assert len(receiver.heard) == 1


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/", "http://[::ffff:169.254.169.254]/", "http://127.1:{port}/",
     "http://x@127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "http://127.0.0.1:{port}/\n"],
)  # fmt: skip
def test_what_somebody_wrote_past_us_is_judged_before_it_is_dialled(url):
    with receiving() as receiver:
        quiet_endpoint(PUBLIC)
        port = receiver.server.server_port
        row = WebhookEndpoint.objects.get()
        row.url = url.format(port=port)
        row.save()
        happen()
        assert deliver(has_tried)

    assert receiver.heard == []
    assert one().last_error.startswith("egress: ")
