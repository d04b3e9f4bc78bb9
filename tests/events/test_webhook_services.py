"""Endpoints are made, changed, rotated, switched and forgotten; addresses inside are never saved
(SSR-01, SSR-03); the one of the environment follows its variables."""

import json
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from events.hookmodels import DisabledFor, WebhookEndpoint
from events.models import Event
from events.webhooks import services
from events.webhooks.config import GivenEndpoint
from momentry.common.egress import client
from momentry.common.egress.allowed import NOTHING, Allowed
from tests import make
from tests.events.hooks import ACTOR, PUBLIC, endpoint, kinds_of, refused

pytestmark = pytest.mark.django_db

SECRET, OTHER = make.webhook_secret(1), make.webhook_secret(2)
GIVEN = GivenEndpoint(PUBLIC, SECRET)


def test_the_url_is_stored_sealed_and_its_host_in_clear():
    row = endpoint("https://hooks.example.org:8443/T0/secret-path?token=hunter2").endpoint

    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_url, host, to_jsonb(e)::text FROM events_webhookendpoint e")
        stored, host, whole = cursor.fetchone()
    assert (stored[:3], host, str(row)) == ("m1.", "hooks.example.org:8443", host)
    assert not [word for word in ("secret-path", "hunter2") if word in whole]
    assert "secret-path" not in "".join(str(each.details) for each in Event.objects.all())
    assert WebhookEndpoint.objects.get().url.endswith("/T0/secret-path?token=hunter2")


def test_a_secret_is_told_once_and_stored_sealed():
    issued = endpoint()

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret, to_jsonb(e)::text FROM events_webhookendpoint e")
        stored, row = cursor.fetchone()
    assert issued.secret.startswith("whsec_")
    assert stored.startswith("m1.")
    assert issued.secret not in row + repr(issued)
    assert issued.secret not in "".join(str(each.details) for each in Event.objects.all())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://0x7f.0.0.1/", "http://0177.0.0.1/",
        "http://2130706433/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/",
        "http://192.168.1.1/", "http://172.16.0.1/", "http://169.254.169.254/", "http://0.0.0.0/",
        "http://[fd00::1]/", "http://[fe80::1]/", "http://[64:ff9b::7f00:1]/", "http://100.64.0.1/",
        "http://localhost/", "http://LOCALHOST./", "http://x.localhost/",
        "http://\uff11\uff12\uff17.0.0.1/", "http://224.0.0.1/",
        "http://user@1.1.1.1/", "http://user:password@1.1.1.1/", "http://1.1.1.1@127.0.0.1/",
        "ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/", "javascript:alert(1)", "",
        "//1.1.1.1/", "http:///x", "http://1.1.1.1/#x", "http://1.1.1.1/a b", "http://1.1.1.1:0/",
        "http://1.1.1.1\\@127.0.0.1/", "http://1.1.1.1/\r\nX: y", "http://1.1.1.1:99999/",
        "http://[::1", "http://1.1.1.1/" + "a" * 500,
    ],
)  # fmt: skip
def test_what_leads_inside_or_nowhere_is_not_saved(url, settings):
    settings.EGRESS_ALLOW = NOTHING
    made = endpoint().endpoint

    with pytest.raises(ValidationError):
        endpoint(url)
    with pytest.raises(ValidationError):
        services.change_endpoint(made.pk, {"url": url}, actor=ACTOR)

    assert [row.url for row in WebhookEndpoint.objects.all()] == [PUBLIC]


def test_a_name_that_leads_inside_is_not_saved_unless_it_is_listed(settings, monkeypatch):
    monkeypatch.setattr(client, "resolve", lambda _: ["10.1.2.3", "127.0.0.1"])
    settings.EGRESS_ALLOW = NOTHING
    with pytest.raises(ValidationError):
        endpoint("http://inside.example/")

    settings.EGRESS_ALLOW = Allowed(names=frozenset({"inside.example"}))
    assert endpoint("http://inside.example/").endpoint.is_active


@pytest.mark.parametrize("found", [[], ["10.1.2.3", "1.1.1.1"]])
def test_a_name_that_may_lead_outside_is_saved_and_judged_later(found, settings, monkeypatch):
    settings.EGRESS_ALLOW = NOTHING
    monkeypatch.setattr(client, "resolve", lambda _: found)

    assert endpoint("https://hooks.example/x?token=y").endpoint.url.endswith("?token=y")


def test_listed_networks_are_let_through(settings):
    settings.EGRESS_ALLOW = Allowed((ip_network("127.0.0.0/8"),))

    assert endpoint("http://127.0.0.1:9/").endpoint.is_active


def test_a_change_is_an_event_and_a_version_and_nothing_is_neither():
    row = endpoint().endpoint

    same = services.change_endpoint(row.pk, {"kinds": ["*"]}, actor=ACTOR)
    changed = services.change_endpoint(row.pk, {"kinds": ["apikey:*"]}, actor=ACTOR)

    assert (same.version, changed.version, changed.kinds) == (1, 2, ["apikey:*"])
    assert kinds_of(row) == ["webhook:created", "webhook:updated"]


def test_a_change_says_what_was_and_of_a_url_only_the_host():
    row = endpoint("http://1.1.1.1/hook/token-7").endpoint

    services.change_endpoint(
        row.pk, {"kinds": ["apikey:*"], "url": "http://8.8.8.8/hook/token-8"}, actor=ACTOR
    )

    told = json.loads(Event.objects.get(kind="webhook:updated").details or "")
    assert told == {
        "fields": ["kinds", "url"], "before": {"kinds": ["*"], "url": "1.1.1.1"},
        "after": {"kinds": ["apikey:*"], "url": "8.8.8.8"},
    }  # fmt: skip


def test_an_older_version_is_refused():
    row = endpoint().endpoint

    for call in (services.delete_endpoint, services.rotate_secret):
        assert refused(call, row.pk, versions=frozenset({7})) == "precondition_failed"


def test_another_address_begins_anew():
    row = endpoint().endpoint
    now = timezone.now()
    WebhookEndpoint.objects.update(succeeded_at=now, failed_at=now, failing_since=now)

    changed = services.change_endpoint(row.pk, {"url": PUBLIC + "/b"}, actor=ACTOR)

    assert (changed.succeeded_at, changed.failed_at, changed.failing_since) == (None, None, None)


def test_a_rotation_keeps_the_former_secret_for_its_grace():
    first = endpoint()
    second = services.rotate_secret(first.endpoint.pk, actor=ACTOR, grace=timedelta(hours=1))
    row = WebhookEndpoint.objects.get()
    now = timezone.now()

    assert row.secrets(now) == [second.secret, first.secret]
    assert row.secrets(now + timedelta(hours=2)) == [second.secret]
    assert kinds_of(row)[-1] == "webhook:rotated"


def test_it_is_disabled_and_enabled():
    row = endpoint().endpoint

    off = services.change_endpoint(row.pk, {"is_active": False}, actor=ACTOR)
    assert (off.is_active, off.disabled_for) == (False, DisabledFor.STAFF)
    assert refused(services.ping, row.pk) == "conflict"
    on = services.change_endpoint(row.pk, {"is_active": True}, actor=ACTOR)

    assert on.is_active
    assert kinds_of(row)[1:] == ["webhook:disabled", "webhook:enabled"]


def test_a_deleted_one_takes_its_deliveries_along():
    row = endpoint().endpoint
    services.delete_endpoint(row.pk, actor=ACTOR)

    assert not WebhookEndpoint.objects.exists()
    assert refused(services.delete_endpoint, row.pk) == "not_found"
    assert kinds_of(row)[-1] == "webhook:deleted"
