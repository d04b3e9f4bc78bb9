"""One attempt, whatever is answered (WHK-01, WHK-05), and what is sent again (WHK-02, WHK-07,
WHK-08): this process's deliverer, real receivers."""

from contextlib import ExitStack
from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest
from django.db import connection
from django.utils import timezone

from events.hookmodels import DisabledFor, WebhookDelivery, WebhookEndpoint
from events.kinds import Kind
from events.models import Mail
from events.webhooks import deliveries, sending, services
from events.webhooks.upkeep import redeliver
from momentry.common.egress.allowed import Allowed
from momentry.common.errors import MomentryError
from tests import make
from tests.events.hooks import (
    ACTOR,
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


@pytest.fixture
def _quick(monkeypatch):
    monkeypatch.setattr(sending, "SECONDS", 0.5)


def delay_of(row):
    """Seconds from the attempt to the next."""
    at = row.attempts[-1]["at"]
    return (row.next_attempt_at - datetime.fromisoformat(at)).total_seconds()


def test_what_arrives_is_signed_and_says_what_happened():
    with receiving() as receiver:
        issued = quiet_endpoint(receiver.url)
        event = happen(Kind.PROVISIONING_FAILED, error="王")
        assert deliver(lambda: states() == ["delivered"])

    (heard,) = receiver.heard
    assert heard.is_signed(issued.secret)
    assert heard.path == "/hook?a=b"
    assert heard.id == str(event.pk) == heard.json()["data"]["id"]
    assert heard.json()["data"]["error"] == "王"
    assert (heard.headers["content-type"], heard.headers["user-agent"]) == (
        "application/json",
        "momentry",
    )
    assert abs(heard.at - int(heard.headers["webhook-timestamp"])) < 5
    (attempt,) = one().attempts
    assert (attempt["status"], attempt["error"]) == (200, "")
    assert attempt["milliseconds"] >= 0
    row = WebhookEndpoint.objects.get()
    assert (row.succeeded_at is not None, row.failing_since) == (True, None)


def by_path(heard, _):
    """Its path is the status, and the place that it names a redirect's."""
    return int(heard.path.partition("?")[0].strip("/")), {"Location": "/299"}


def told_of(receiver, *statuses):
    """The deliveries of one event to an endpoint for each."""
    base = receiver.url.rpartition("/")[0]
    for status in statuses:
        quiet_endpoint(f"{base}/{status}", "apikey:*")
    happen()
    assert deliver(has_tried)
    return {row.last_status: row for row in WebhookDelivery.objects.all()}


def test_any_2xx_is_an_arrival():
    with receiving(by_path) as receiver:
        rows = told_of(receiver, 200, 201, 202, 204, 299)

    assert {row.state for row in rows.values()} == {"delivered"}
    assert len(rows) == len(receiver.heard) == 5


def test_anything_else_is_tried_again_and_followed_nowhere():
    statuses = (300, 301, 302, 303, 307, 308, 400, 401, 404, 429, 500, 503)
    with receiving(by_path) as receiver:
        rows = told_of(receiver, *statuses)

    assert sorted(rows) == sorted(statuses)
    assert len(receiver.heard) == len(statuses)
    assert {(row.state, row.tries) for row in rows.values()} == {("retrying", 1)}
    assert all(5 <= delay_of(row) <= 8 for row in rows.values())
    assert not WebhookEndpoint.objects.filter(failing_since=None).exists()


@pytest.mark.parametrize(
    ("asked", "low", "high"), [("60", 60, 63), ("1", 5, 8), ("999999999", 86_400, 86_404)]
)
def test_retry_after_is_waited_for_within_a_day(asked, low, high):
    with receiving(lambda *_: (429, {"Retry-After": asked})) as receiver:
        quiet_endpoint(receiver.url)
        happen()
        assert deliver(has_tried)

    assert low <= delay_of(one()) <= high


def test_410_disables_the_endpoint_and_tells_staff():
    make.staff("root")
    with receiving(lambda *_: (410, {})) as receiver:
        row = quiet_endpoint(receiver.url).endpoint
        happen()
        assert deliver(lambda: not WebhookEndpoint.objects.get().is_active)

    row.refresh_from_db()
    assert row.disabled_for == DisabledFor.GONE
    assert states() == ["failed"]
    assert [mail.recipient for mail in Mail.objects.all()] == ["root@example.org"]
    happen()
    assert len(receiver.heard) == WebhookDelivery.objects.count() == 1


HEAD = b"HTTP/1.1 200 OK\r\n"


ANSWERS = [
    (HEAD + b"\r\n" + b"a" * 2_000_000, "delivered", ""),
    (HEAD + b"Content-Length: 5\r\n\r\nab", "delivered", ""),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz", "delivered", ""),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + b"\r\n", "delivered", ""),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "retrying", "protocol: It does not come"),
    (HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n", "retrying", "protocol: The head"),
    (HEAD + b"X: a\r\n" * 50_000 + b"\r\n", "retrying", "protocol: The head"),
    (b"220 smtp ready\r\n\r\n", "retrying", "protocol: What it answers"),
    (b"\r\n\r\n\r\n", "retrying", "protocol: What it answers"),
    (b"\x00" * 70_000, "retrying", "protocol: The head"),
    (HEAD[:12], "retrying", "timeout: No whole answer"),
    (HEAD + b"X: a\r\n", "retrying", "timeout: No whole answer"),
]  # fmt: skip


@pytest.mark.usefixtures("_quick")
def test_an_answer_is_bounded():
    with ExitStack() as stack:
        silents = [stack.enter_context(silence(says)) for says, _, _ in ANSWERS]
        rows = [quiet_endpoint(silent.url, "apikey:*").endpoint for silent in silents]
        happen()
        assert deliver(has_tried)

    found = [row.deliveries.get() for row in rows]
    assert [row.state for row in found] == [state for _, state, _ in ANSWERS]
    wrong = [
        row.last_error
        for row, (_, _, why) in zip(found, ANSWERS, strict=True)
        if not row.last_error.startswith(why)
    ]
    assert wrong == []


@pytest.mark.usefixtures("_quick")
def test_silence_is_a_time_out_and_nobody_there_is_told_apart():
    with silence() as silent:
        quiet_endpoint(silent.url)
        happen()
        assert deliver(has_tried)
    assert one().last_error == "timeout: No whole answer in time."
    WebhookEndpoint.objects.all().delete()

    quiet_endpoint(refused_url())
    happen()
    assert deliver(has_tried)
    assert one().last_error == "connect: Nobody takes the connection."


def test_the_same_id_and_body_come_again_with_a_fresh_timestamp():
    with receiving(lambda _, number: (500 if number == 1 else 200, {})) as receiver:
        secret = quiet_endpoint(receiver.url).secret
        happen()
        assert deliver(lambda: states() == ["delivered"])

    first, second = receiver.heard
    assert (first.id, first.body) == (second.id, second.body)
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    assert 5 <= second.at - first.at <= 9
    assert second.is_signed(secret)
    assert [each["status"] for each in one().attempts] == [500, 200]


def hurried():
    """Everything is due now."""
    return WebhookDelivery.objects.update(next_attempt_at=timezone.now())


def test_the_tenth_failure_is_the_last():
    with receiving(lambda *_: (500, {})) as receiver:
        quiet_endpoint(receiver.url)
        happen()
        assert deliver(lambda: hurried() and one().state == "failed")

    assert (one().state, len(receiver.heard), len(one().attempts)) == ("failed", 10, 10)


def over(row):
    """The grace of all its former secrets."""
    row.keep_formers([(secret, timezone.now()) for secret, _ in row.formers(timezone.now())])
    row.save()


def test_both_secrets_sign_until_the_grace_is_over():
    with receiving() as receiver:
        first = quiet_endpoint(receiver.url)
        second = services.rotate_secret(first.endpoint.pk, actor=ACTOR)
        happen()
        assert deliver(lambda: set(states()) == {"delivered"})
        over(WebhookEndpoint.objects.get())
        late = happen()
        assert deliver(lambda: set(states()) == {"delivered"})

    assert all(each.is_signed(second.secret) for each in receiver.heard)
    signatures = {
        each.id: len(each.headers["webhook-signature"].split()) for each in receiver.heard
    }
    assert signatures.pop(str(late.pk)) == 1
    assert set(signatures.values()) == {2}
    assert all(each.is_signed(first.secret) for each in receiver.heard if each.id != str(late.pk))


def test_a_redelivery_keeps_the_id_and_has_the_whole_schedule():
    with receiving() as receiver:
        quiet_endpoint(receiver.url, "apikey:*")
        happen()
        assert deliver(lambda: states() == ["delivered"])
        assert redeliver(one(), actor=ACTOR)
        assert (one().state, one().tries) == ("waiting", 0)
        assert deliver(lambda: states() == ["delivered"])

    first, second = receiver.ids()
    assert first == second
    assert len(one().attempts) == 2


def test_nothing_is_redelivered_while_it_is_sent_or_to_who_is_disabled():
    row = quiet_endpoint().endpoint
    happen()
    (held,) = deliveries.claim(deliveries.Room(False, 1, 1), {})

    assert redeliver(one(), actor=ACTOR) is False
    deliveries.release([held])
    services.set_active(row, False, actor=ACTOR)
    with pytest.raises(MomentryError, match="conflict"):
        redeliver(one(), actor=ACTOR)


def test_a_row_is_settled_only_by_the_holder_of_its_lease():
    quiet_endpoint()
    happen()
    (first,) = deliveries.claim(deliveries.Room(False, 1, 1), {})
    assert deliveries.claim(deliveries.Room(False, 1, 1), {}) == []
    WebhookDelivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    (second,) = deliveries.claim(deliveries.Room(False, 1, 1), {})

    deliveries.settle([deliveries.Ended(first, sending.now(), 1, 200, "", True, None)])
    assert (one().state, one().lease) == ("waiting", second.lease)
    deliveries.settle([deliveries.Ended(second, sending.now(), 1, 200, "", True, None)])
    assert one().state == "delivered"


def test_what_cannot_be_opened_is_tried_again_and_nobody_is_blamed():
    quiet_endpoint()
    happen()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_webhookendpoint SET secret = 'm1.AAAAAAAA.AAAA'")

    assert deliver(has_tried)

    assert one().last_error == "It is sealed under a key that the ring lacks."
    assert WebhookEndpoint.objects.get().failing_since is None
