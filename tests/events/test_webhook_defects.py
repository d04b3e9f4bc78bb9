"""What nobody expected of one delivery, or of one endpoint, stops none of the others."""

import asyncio
import threading
from ipaddress import ip_network

import pytest

from events.hookmodels import DisabledFor, WebhookDelivery, WebhookEndpoint
from events.kinds import Kind
from events.webhooks import deliveries, health, sending, services
from momentry.common.egress.allowed import Allowed
from tests.events.hooks import deliver, happen, has_tried, one, quiet_endpoint, receiving, states

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.EGRESS_ALLOW = Allowed((ip_network("127.0.0.0/8"),))


def broken(*_):
    raise RuntimeError("nobody thought of that")


def told_besides(receiver):
    """Is an endpoint told that has nothing to do with it?"""
    well = quiet_endpoint(receiver.url, "member:*").endpoint
    happen(Kind.MEMBER_CREATED)
    return deliver(lambda: states(well) == ["delivered"])


def test_staff_who_cannot_be_told_keep_nobody_waiting(monkeypatch):
    """As when an address of theirs is sealed under a key that the ring lacks."""
    monkeypatch.setattr(services, "whom_it_concerns", [broken])
    with receiving(lambda *_: (410, {})) as gone, receiving() as well:
        row = quiet_endpoint(gone.url, "apikey:*").endpoint
        happen()
        assert told_besides(well)

    row.refresh_from_db()
    assert row.disabled_for == DisabledFor.GONE
    assert states(row) == ["failed"]
    assert len(gone.heard) == 1


def test_an_endpoint_that_cannot_be_disabled_keeps_no_other_waiting(monkeypatch):
    monkeypatch.setattr(health, "give_up", broken)
    with receiving(lambda *_: (410, {})) as gone, receiving() as well:
        quiet_endpoint(gone.url, "apikey:*")
        happen()
        assert told_besides(well)

    assert WebhookDelivery.objects.filter(failed_at=None, delivered_at=None).count() == 0


def test_an_event_that_makes_no_payload_is_put_off(monkeypatch):
    made = deliveries.payload_of
    monkeypatch.setattr(
        deliveries,
        "payload_of",
        lambda event: broken() if event.kind.startswith("apikey") else made(event),
    )
    with receiving() as receiver:
        row = quiet_endpoint(receiver.url, "apikey:*").endpoint
        happen()
        assert told_besides(receiver)

    (sent,) = row.deliveries.all()
    assert (sent.state, sent.last_error) == ("retrying", "defect: RuntimeError")
    assert WebhookEndpoint.objects.get(pk=row.pk).failing_since is None


def test_an_attempt_that_fails_in_our_own_hands_is_put_off(monkeypatch):
    monkeypatch.setattr(sending, "headers_of", broken)
    with receiving() as receiver:
        quiet_endpoint(receiver.url)
        happen()
        assert deliver(has_tried)

    assert (one().state, one().last_error) == ("retrying", "defect: RuntimeError")


def test_what_cannot_be_written_down_is_an_attempt_all_the_same(monkeypatch):
    """PostgreSQL takes no NUL in a text: one such answer keeps the other from nothing."""
    judged = sending.judged

    def spoiled(claim, at, milliseconds, reply, error):
        ended = judged(claim, at, milliseconds, reply, error)
        return ended if ended.arrived else ended._replace(error="a\0b")

    monkeypatch.setattr(sending, "judged", spoiled)
    with receiving(lambda *_: (500, {})) as ill, receiving() as well:
        row = quiet_endpoint(ill.url, "apikey:*").endpoint
        happen()
        assert told_besides(well)
        assert deliver(lambda: states(row) == ["retrying"])

    assert row.deliveries.get().last_error == "defect: DataError"


def test_turns_end_and_what_is_in_hand_goes_on():
    """Each is counted, so that /metrics tells when the deliverer last looked."""
    held = threading.Event()

    def slowly(*_):
        held.wait(10)
        return 200, {}

    async def play():
        deliverer, over = sending.Deliverer(), threading.Event()
        while not deliverer.tasks:
            await deliverer.run(over.is_set, 0.05)
        await deliverer.run(over.is_set, 0.05)
        in_hand = len(deliverer.tasks)
        held.set()
        over.set()
        await deliverer.run(over.is_set, 0.05)
        return in_hand

    with receiving(slowly) as receiver:
        quiet_endpoint(receiver.url)
        happen()
        assert asyncio.run(play()) == 1

    assert (states(), len(receiver.heard)) == (["delivered"], 1)
