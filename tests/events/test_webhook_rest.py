"""Endpoints and deliveries by REST: what is answered, what is refused, what is never shown."""

import json
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apikeys.models import ApiKey
from events.hookmodels import WebhookDelivery, WebhookEndpoint
from events.kinds import Kind
from events.models import Event
from events.webhooks import addresses
from tests import make
from tests.events.chained import by_hand
from tests.events.hooks import PUBLIC, endpoint, happen, quiet_endpoint

pytestmark = pytest.mark.django_db

HOOKS = "/api/v1/admin/webhooks"
SENT = "/api/v1/admin/deliveries"


@pytest.fixture
def row():
    return quiet_endpoint(PUBLIC, "apikey:*").endpoint


def test_a_secret_is_in_the_answer_that_made_it_and_in_no_other(admin_api):
    made = admin_api.post(HOOKS, {"url": PUBLIC, "kinds": ["apikey:*"]})
    secret, place = made.json()["secret"], made["Location"]

    assert (made.status_code, made["ETag"], made["Cache-Control"]) == (201, '"1"', "no-store")
    assert secret.startswith("whsec_")
    for answer in (admin_api.get(place), admin_api.get(HOOKS), admin_api.patch(place, {})):
        assert answer.status_code == 200
        assert secret not in answer.content.decode()
        assert "secret" not in answer.json()


def holder(*scopes):
    """A service key with these."""
    made = make.service_key("metrics")
    ApiKey.objects.filter(pk=made.key.pk).update(scopes=list(scopes))
    return made.secret


def test_the_url_is_told_to_whoever_may_change_it(admin_api, api, row):
    reader, writer = holder("webhooks:read"), holder("webhooks:read", "webhooks:write")
    for path in (HOOKS, f"{HOOKS}/{row.pk}"):
        told = admin_api.get(path).content.decode()
        assert (f'"{PUBLIC}"' in told, '"1.1.1.1"' in told) == (True, True)
        assert f'"{PUBLIC}"' in api.get(path, HTTP_X_API_KEY=writer).content.decode()
        seen = api.get(path, HTTP_X_API_KEY=reader).content.decode()
        assert (PUBLIC in seen, '"1.1.1.1"' in seen) == (False, True)


def test_the_same_call_twice_makes_one_and_tells_the_secret_once(admin_api):
    given = {"url": PUBLIC, "kinds": ["*"]}
    first, second = (admin_api.post(HOOKS, given, HTTP_IDEMPOTENCY_KEY="once") for _ in range(2))

    assert WebhookEndpoint.objects.count() == 1
    assert second.json() == {**first.json(), "secret": None, "secret_status": "delivered"}


def test_name_servers_are_asked_before_the_lock_of_the_call_is_held(admin_api, monkeypatch, row):
    """They may take seconds: who calls again meanwhile would wait with a connection in hand."""
    held = []

    def look_up(*_):
        held.append(list(connection.savepoint_ids))
        return ["1.1.1.1"]

    monkeypatch.setattr(addresses, "look_up", look_up)
    given = {"url": "http://hooks.example.org/", "kinds": ["*"]}
    made = admin_api.post(HOOKS, given, HTTP_IDEMPOTENCY_KEY="once")
    changed = admin_api.patch(f"{HOOKS}/{row.pk}", {"url": given["url"]})

    assert (made.status_code, changed.status_code) == (201, 200)
    assert held == [[], []]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"kinds": ["*"]}, "#/url"), ({"url": PUBLIC}, "#/kinds"),
        ({"url": "http://127.0.0.1/", "kinds": ["*"]}, "#/url"),
        ({"url": PUBLIC, "kinds": []}, "#/kinds"), ({"url": PUBLIC, "kinds": ["x:*"]}, "#/kinds/0"),
        ({"url": PUBLIC, "kinds": "*"}, "#/kinds"),
        ({"url": PUBLIC, "kinds": ["*"], "secret": "whsec_AAAA"}, "#/secret"),
        ({"url": PUBLIC, "kinds": ["*"], "is_environment": True}, "#/is_environment"),
        ({"url": PUBLIC + "a" * 500, "kinds": ["*"]}, "#/url"),
        ({"url": PUBLIC, "kinds": ["*"] * 51}, "#/kinds"),
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused(admin_api, given, pointer):
    answer = admin_api.post(HOOKS, given)

    assert answer.status_code == 422
    assert pointer in {each["pointer"] for each in answer.json()["errors"]}
    assert not WebhookEndpoint.objects.exists()


def test_it_is_changed_if_it_is_still_what_was_read(admin_api, row):
    place = f"{HOOKS}/{row.pk}"
    changed = admin_api.patch(place, {"kinds": ["*"]}, HTTP_IF_MATCH='"1"')
    late = admin_api.patch(place, {"kinds": ["tier:*"]}, HTTP_IF_MATCH='"1"')

    assert (changed.status_code, changed.json()["kinds"], changed["ETag"]) == (200, ["*"], '"2"')
    assert late.status_code == 412


def test_it_is_disabled_and_forgotten(admin_api, row):
    place = f"{HOOKS}/{row.pk}"
    off = admin_api.patch(place, {"is_active": False}).json()
    gone = admin_api.delete(place)

    assert (off["is_active"], off["disabled_for"]) == (False, "staff")
    assert [gone.status_code, admin_api.get(place).status_code] == [204, 404]


def test_a_rotation_tells_a_new_secret(admin_api, row):
    answer = admin_api.post(f"{HOOKS}/{row.pk}/rotate-secret", {"grace_seconds": 60})
    now = timezone.now()

    row.refresh_from_db()
    assert answer.status_code == 200
    assert answer.json()["secret"] == row.secrets(now)[0]
    assert len(row.secrets(now)) == 2
    assert len(row.secrets(now + timedelta(seconds=61))) == 1


def test_a_ping_waits_for_that_endpoint(admin_api, row):
    answer = admin_api.post(f"{HOOKS}/{row.pk}/ping")

    assert answer.status_code == 202
    assert (answer.json()["kind"], answer.json()["state"]) == ("webhook:ping", "waiting")
    assert answer.json()["endpoint"] == str(row.pk)


def test_deliveries_are_listed_by_cursor_and_filtered(admin_api, row):
    events = [happen() for _ in range(5)]
    other = endpoint(PUBLIC + "/b", "webhook:created").endpoint
    WebhookDelivery.objects.filter(event=events[0]).update(failed_at=timezone.now(), tries=10)

    first = admin_api.get(SENT, {"limit": 4}).json()
    second = admin_api.get(SENT, {"limit": 4, "cursor": first["next"]}).json()

    listed = [each["event"] for each in first["results"] + second["results"]]
    assert listed[1:] == [str(event.pk) for event in reversed(events)]
    assert second["next"] is None
    for query, count in (
        ({"endpoint": other.pk}, 1), ({"endpoint": row.pk}, 5), ({"event": events[1].pk}, 1),
        ({"state": "failed"}, 1), ({"state": "waiting"}, 5), ({"kind": "webhook:created"}, 1),
    ):  # fmt: skip
        assert len(admin_api.get(SENT, query).json()["results"]) == count
    for query in ({"state": "lost"}, {"url": "x"}, {"endpoint": "x"}):
        assert admin_api.get(SENT, query).status_code == 422


def test_one_delivery_shows_what_is_sent_and_each_attempt(admin_api, row):
    event = happen(Kind.APIKEY_ROTATED, grace_seconds=5)
    sent = row.deliveries.get()
    attempt = {
        "at": "2026-11-23T00:00:00.000Z",
        "status": None,
        "milliseconds": 3,
        "error": "dns: x",
    }
    WebhookDelivery.objects.filter(pk=sent.pk).update(attempts=[attempt], tries=1)

    shown = admin_api.get(f"{SENT}/{sent.pk}").json()

    assert shown["payload"]["data"]["id"] == str(event.pk) == shown["event"]
    assert [(each["status"], each["error"]) for each in shown["attempts"]] == [(None, "dns: x")]
    assert shown["state"] == "retrying"


def test_a_delivery_outlives_its_event(admin_api, row):
    event = happen()
    sent = row.deliveries.get()
    with by_hand():
        Event.objects.filter(pk=event.pk)._raw_delete("default")

    assert admin_api.get(f"{SENT}/{sent.pk}").json()["payload"] is None


def test_a_delivery_is_sent_again_but_not_while_it_is_sent(admin_api, row):
    happen()
    sent = row.deliveries.get()
    WebhookDelivery.objects.update(failed_at=timezone.now(), tries=10)
    answer = admin_api.post(f"{SENT}/{sent.pk}/redeliver")
    assert (answer.status_code, answer.json()["state"]) == (200, "waiting")

    WebhookDelivery.objects.update(
        lease=uuid.uuid4(), leased_until=timezone.now() + timedelta(minutes=1)
    )
    assert admin_api.post(f"{SENT}/{sent.pk}/redeliver").status_code == 409


def test_whatever_is_not_there_is_not_found(admin_api):
    for path in (f"{HOOKS}/{uuid.uuid4()}", f"{SENT}/{uuid.uuid4()}"):
        assert admin_api.get(path).status_code == 404
    assert admin_api.post(f"{HOOKS}/{uuid.uuid4()}/ping").status_code == 404
    assert admin_api.post(f"{SENT}/{uuid.uuid4()}/redeliver").status_code == 404


def test_the_answers_hold_no_envelope(admin_api, row):
    happen(Kind.APIKEY_QUARANTINED, reason="alice@example.org was rude")
    sent = row.deliveries.get()

    texts = [
        json.dumps(admin_api.get(path).json())
        for path in (HOOKS, f"{HOOKS}/{row.pk}", SENT, f"{SENT}/{sent.pk}")
    ]

    assert [text for text in texts if "m1." in text or "rude" in text] == []
