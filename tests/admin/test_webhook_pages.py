"""The pages of webhooks save through the services, show a secret once, and send again."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from events.hookmodels import DisabledFor, WebhookDelivery, WebhookEndpoint
from events.kinds import Kind
from events.models import Event
from events.webhooks import addresses
from events.webhooks.config import GivenEndpoint
from events.webhooks.environment import follow_environment
from tests import make
from tests.admin.conftest import House, clerk
from tests.admin.pages import button, change, changelist
from tests.events.chained import by_hand
from tests.events.hooks import PUBLIC, happen, quiet_endpoint

ADD = "admin:events_webhookendpoint_add"
SURE = {"confirmed": "yes"}


def form(**given: Any) -> dict[str, Any]:
    return {"url": PUBLIC, "description": "the blog", "kinds": "apikey:*,member:*", **given}


def page(client: Client, url: str) -> str:
    return client.get(url).content.decode()


def test_one_is_added_and_its_secret_shown_in_that_answer_alone(house: House, root: Client) -> None:
    answer = root.post(reverse(ADD), form())
    row = WebhookEndpoint.objects.get(description="the blog")
    secret = str(row.secret)

    assert (answer.status_code, secret in answer.content.decode()) == (200, True)
    assert "no-store" in answer["Cache-Control"]
    assert row.kinds == ["apikey:*", "member:*"]
    for url in (change(WebhookEndpoint, row.pk), changelist(WebhookEndpoint)):
        assert secret not in page(root, url)
    assert not [entry for entry in LogEntry.objects.all() if secret in entry.change_message]
    assert Event.objects.filter(kind="webhook:created", subject=f"webhook:{row.pk.hex}").exists()


def test_what_is_refused_is_told_and_not_saved(house: House, root: Client) -> None:
    before = WebhookEndpoint.objects.count()
    for given in ({"url": "http://127.0.0.1/"}, {"kinds": "nonsense"}, {"kinds": ""}, {"url": ""}):
        answer = root.post(reverse(ADD), form(**given))

        assert "errornote" in answer.content.decode() or "error" in answer.content.decode()
    assert WebhookEndpoint.objects.count() == before


def test_name_servers_are_asked_before_the_pages_transaction(
    house: House, root: Client, viewer: Client, monkeypatch: Any
) -> None:
    row, held = quiet_endpoint().endpoint, []

    def look_up(*_: Any) -> list[str]:
        held.append(list(connection.savepoint_ids))
        return ["127.0.0.1"]

    monkeypatch.setattr(addresses, "look_up", look_up)
    given = form(url="http://hooks.example.org/")
    for url in (reverse(ADD), change(WebhookEndpoint, row.pk)):
        assert root.post(url, given).status_code == 302
        assert viewer.post(url, given).status_code == 403

    assert held == [[], []]
    assert not WebhookEndpoint.objects.filter(host="hooks.example.org").exists()
    row.refresh_from_db()
    assert row.version == 1


def test_one_is_changed_disabled_enabled_and_forgotten(house: House, root: Client) -> None:
    row = quiet_endpoint().endpoint
    root.post(change(WebhookEndpoint, row.pk), form(kinds="*:deleted"))
    row.refresh_from_db()
    assert (row.kinds, row.description) == (["*:deleted"], "the blog")

    root.post(button(row, "disable_this"), SURE)
    row.refresh_from_db()
    assert row.disabled_for == DisabledFor.STAFF
    root.post(button(row, "enable_this"), SURE)
    row.refresh_from_db()
    assert row.is_active

    root.post(reverse("admin:events_webhookendpoint_delete", args=[row.pk]), {"post": "yes"})
    kinds = Event.objects.filter(subject=f"webhook:{row.pk.hex}").order_by("id")
    assert [kind.partition(":")[2] for kind in kinds.values_list("kind", flat=True)] == [
        "created", "updated", "disabled", "enabled", "deleted",
    ]  # fmt: skip


def test_one_with_deliveries_is_forgotten_and_they_are_counted(house: House, root: Client) -> None:
    row = quiet_endpoint().endpoint
    for _ in range(30):
        happen()
    url = reverse("admin:events_webhookendpoint_delete", args=[row.pk])

    asked = page(root, url)
    assert ("Webhook deliveries: 30" in asked, asked.count("apikey:created")) == (True, 0)
    assert 'name="post"' in asked
    assert root.post(url, {"post": "yes"}).status_code == 302

    assert not WebhookEndpoint.objects.filter(pk=row.pk).exists()
    assert not WebhookDelivery.objects.filter(endpoint=row.pk).exists()


def test_who_may_not_delete_it_is_not_asked(house: House, viewer: Client) -> None:
    row = quiet_endpoint().endpoint
    url = reverse("admin:events_webhookendpoint_delete", args=[row.pk])

    assert [viewer.get(url).status_code, viewer.post(url, {"post": "yes"}).status_code] == [403] * 2
    assert WebhookEndpoint.objects.filter(pk=row.pk).exists()


def test_a_secret_is_rotated_after_a_question_and_shown_once(house: House, root: Client) -> None:
    row = quiet_endpoint().endpoint
    before = str(row.secret)
    assert "new secret" in page(root, button(row, "rotate_this"))

    shown = root.post(button(row, "rotate_this"))

    row.refresh_from_db()
    assert str(row.secret) != before
    assert (
        str(row.secret) in shown.content.decode(),
        row.secrets(timezone.now())[1:] == [before],
    ) == (True, True)
    assert str(row.secret) not in page(root, change(WebhookEndpoint, row.pk))


def test_a_ping_is_asked_for_and_waits(house: House, root: Client) -> None:
    row = quiet_endpoint().endpoint
    root.post(button(row, "ping_this"), SURE)

    assert WebhookDelivery.objects.filter(endpoint=row, kind="webhook:ping").count() == 1


def test_the_environments_endpoint_is_looked_at_only(house: House, root: Client) -> None:
    follow_environment(GivenEndpoint(PUBLIC, make.webhook_secret()))
    row = WebhookEndpoint.objects.get(is_environment=True)
    url = change(WebhookEndpoint, row.pk)

    assert 'name="url"' not in page(root, url)
    assert root.post(url, form()).status_code == 403
    gone = root.post(reverse("admin:events_webhookendpoint_delete", args=[row.pk]), {"post": "yes"})
    assert gone.status_code == 403
    root.post(button(row, "rotate_this"))
    row.refresh_from_db()
    assert row.version == 1


def test_deliveries_are_filtered_shown_and_sent_again(house: House, root: Client) -> None:
    row = quiet_endpoint().endpoint
    happen(Kind.APIKEY_ROTATED, grace_seconds=77)
    sent = row.deliveries.get(kind="apikey:rotated")
    attempt = {"at": "2026-11-23T00:00:00Z", "status": 503, "milliseconds": 9, "error": "status: x"}
    WebhookDelivery.objects.filter(pk=sent.pk).update(
        failed_at=sent.created_at, tries=10, attempts=[attempt]
    )

    shown = page(root, change(WebhookDelivery, sent.pk))
    assert ("503  9 ms" in shown, "&quot;grace_seconds&quot;: 77" in shown) == (True, True)
    listed = page(root, f"{changelist(WebhookDelivery)}?state=failed&endpoint__id__exact={row.pk}")
    assert str(sent.pk) in listed
    assert str(sent.pk) not in page(root, f"{changelist(WebhookDelivery)}?state=delivered")

    gone = row.deliveries.get(event=happen())
    with by_hand():
        Event.objects.filter(pk=gone.event_id)._raw_delete("default")
    assert "the event is gone" in page(root, change(WebhookDelivery, gone.pk))

    chosen = {"action": "redeliver_selected", "_selected_action": [str(sent.pk)], **SURE}
    root.post(changelist(WebhookDelivery), chosen)
    sent.refresh_from_db()
    assert (sent.state, sent.tries) == ("waiting", 0)


def test_who_may_only_look_sees_the_host_and_not_the_url(
    house: House, root: Client, viewer: Client
) -> None:
    row = quiet_endpoint(f"{PUBLIC}/T0/secret-path").endpoint
    place = change(WebhookEndpoint, row.pk)

    assert "secret-path" in page(root, place)
    seen = page(viewer, place)
    assert ("1.1.1.1" in seen, "secret-path" in seen) == (True, False)
    for client in (root, viewer):
        listed = page(client, f"{changelist(WebhookEndpoint)}?q=1.1.1.1")
        assert (str(row.pk) in listed, "secret-path" in listed) == (True, False)


def test_who_may_only_look_does_nothing(house: House, viewer: Client) -> None:
    row = quiet_endpoint().endpoint
    happen()
    sent = row.deliveries.get(kind="apikey:created")
    for name in ("ping_this", "rotate_this", "enable_this", "disable_this"):
        assert viewer.post(button(row, name), SURE).status_code == 403
    assert viewer.post(button(sent, "redeliver_this"), SURE).status_code == 403
    assert viewer.post(change(WebhookEndpoint, row.pk), form()).status_code == 403

    row.refresh_from_db()
    assert (row.version, row.is_active) == (1, True)


def test_who_may_change_but_not_see_gets_no_secret(house: House) -> None:
    row = quiet_endpoint().endpoint

    answer = clerk("change_webhookdelivery").post(button(row, "rotate_this"))

    assert answer.status_code == 403
