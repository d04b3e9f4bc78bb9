"""WooCommerce and WP Webhooks: signed word that a user changed; what is so is asked by REST."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Scheme, Status, User
from events.models import Mail
from provisioning.models import InboxEvent, WakeUp
from provisioning.services import wakeups
from provisioning.services.wakeups import MOST_ATTEMPTS, look_at_due
from tests import make
from tests.provisioning.rest import PASSWORD
from tests.provisioning.wordpress import URL

pytestmark = pytest.mark.django_db
SECRET = "a secret that WooCommerce made"
HASH, TOKEN = "$P$BqT5x3.theHashOfAPassword", "a-session-token-of-somebody"
WP_USER = {
    "data": {"ID": "7", "user_login": "ann", "user_pass": HASH, "user_email": "a@example.org"},
    "ID": 7, "roles": ["subscriber"], "user_meta": {"session_tokens": [TOKEN]},
}  # fmt: skip


def signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


@pytest.fixture
def shop(asking):
    asking.scheme, asking.webhook_secret = Scheme.WOOCOMMERCE, SECRET
    asking.save()
    return asking


@pytest.fixture
def hooks(asking):
    asking.scheme, asking.webhook_secret = Scheme.WPWEBHOOKS, SECRET
    asking.save()
    return asking


def post(body, kind="application/json", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = APIClient(raise_request_exception=False)
    return client.post(URL, raw, content_type=kind, **headers)


def woo(body, topic="customer.updated", **changed):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {
        "HTTP_X_WC_WEBHOOK_TOPIC": topic,
        "HTTP_X_WC_WEBHOOK_SIGNATURE": signature(raw),
        "HTTP_X_WC_WEBHOOK_DELIVERY_ID": "the same within a second",
    } | changed
    return post(raw, **headers)


def wpw(body, **changed):
    raw = json.dumps(body).encode()
    return post(raw, **{"HTTP_X_WP_WEBHOOK_SIGNATURE": signature(raw)} | changed)


def look() -> int:
    return look_at_due(timezone.now() + timedelta(seconds=1))


def test_a_customer_of_woocommerce_is_fetched_and_becomes_a_member(shop, there):
    there.add(7, "ann", name="Ann 王")

    answer = woo({"id": 7, "email": "forged@example.org"}, "customer.created")
    done = look()

    assert (answer.status_code, answer.json(), done) == (200, {"status": "queued"}, 1)
    member = User.objects.get()
    assert (member.site, member.wordpress_id, member.username) == (shop, 7, "ann")
    assert (member.email, member.display_name) == ("ann@example.org", "Ann 王")
    assert (Mail.objects.count(), WakeUp.objects.count()) == (1, 0)


def test_what_the_body_says_changes_nothing(shop, there):
    there.add(7, "ann")
    woo({"id": 7})
    look()

    woo({"id": 7, "username": "root", "email": "evil@example.org", "role": "administrator"})
    woo({"id": 7}, "customer.deleted")
    look()

    member = User.objects.get()
    assert (member.username, member.email, member.status) == (
        "ann", "ann@example.org", Status.ACTIVE,
    )  # fmt: skip


def test_a_deletion_and_a_suspension_are_followed_when_wordpress_says_so_too(shop, there):
    for number, name in ((7, "ann"), (8, "bob")):
        there.add(number, name)
        woo({"id": number})
    look()
    del there.users[7]
    there.users[8]["roles"] = []

    woo({"id": 7}, "customer.deleted")
    woo({"id": 8, "x": 1})
    look()

    assert User.objects.get(wordpress_id=7).status == Status.DELETED
    assert User.objects.get(wordpress_id=8).status == Status.SUSPENDED


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (404, "<html>Not found</html>"), (404, {"code": "rest_no_route"}), (410, {}),
        (500, {"code": "rest_user_invalid_id"}), (200, {"id": None}), (200, []), (200, "null"),
    ],
)  # fmt: skip
def test_no_answer_but_wordpress_own_deletes_somebody(shop, there, status, document):
    there.add(7, "ann")
    woo({"id": 7})
    look()
    there.answers["/wp/v2/users/7"] = (status, document)

    woo({"id": 7}, "customer.deleted")
    look()

    assert User.objects.get().status == Status.ACTIVE
    assert WakeUp.objects.get().attempts == 1


def test_the_user_of_wp_webhooks_is_fetched_and_nothing_secret_of_it_is_kept(hooks, there):
    there.add(7, "ann")

    answer = wpw(WP_USER)
    look()

    assert answer.json() == {"status": "queued"}
    assert User.objects.get().username == "ann"
    with connection.cursor() as cursor:
        for table in ("accounts_user", "provisioning_inboxevent", "provisioning_wakeup",
                      "events_event", "events_mail"):  # fmt: skip
            cursor.execute(f"SELECT * FROM {table}")
            rows = str(cursor.fetchall())
            assert HASH not in rows
            assert TOKEN not in rows


@pytest.mark.parametrize("body", [{"user_id": "7"}, {"data": {"ID": 7}}, {"ID": "7"}])
def test_the_number_is_found_where_wp_webhooks_puts_it(hooks, body):
    assert wpw(body).json() == {"status": "queued"}
    assert WakeUp.objects.get().wordpress_id == 7


def test_the_same_content_again_is_a_duplicate_until_something_else_was_said(hooks):
    answers = [wpw({"ID": 7, "x": x}).json()["status"] for x in (1, 1, 2, 2, 1)]

    assert answers == ["queued", "duplicate", "queued", "duplicate", "queued"]
    assert WakeUp.objects.count() == 1


def test_the_first_request_of_woocommerce_is_answered_200_and_does_nothing(shop):
    answer = post(b"webhook_id=4", "application/x-www-form-urlencoded")

    assert answer.status_code == 200
    assert (InboxEvent.objects.count(), WakeUp.objects.count()) == (0, 0)


@pytest.mark.parametrize("body", [b"webhook_id=4&x=1", b"webhook_id=", b"webhook_id=4\n", b"a"])
def test_whatever_else_is_unsigned_is_refused(shop, body):
    assert post(body, "application/x-www-form-urlencoded").status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"HTTP_X_WC_WEBHOOK_SIGNATURE": ""},
        {"HTTP_X_WC_WEBHOOK_SIGNATURE": "AAAA"},
        {"HTTP_X_WC_WEBHOOK_SIGNATURE": "é"},
        {"HTTP_X_WC_WEBHOOK_SIGNATURE": signature(b'{"id": 8}')},
        {"HTTP_X_WC_WEBHOOK_SIGNATURE": signature(b'{"id": 7}', "")},
        {"HTTP_X_WC_WEBHOOK_SIGNATURE": signature(b'{"id": 7}', "another secret of length")},
    ],
)
def test_a_wrong_signature_is_401_and_writes_nothing(shop, changed):
    answer = woo(b'{"id": 7}', **changed)

    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    assert (InboxEvent.objects.count(), WakeUp.objects.count()) == (0, 0)


@pytest.mark.parametrize("secret", ["", "short"])
def test_an_empty_or_short_secret_signs_for_nobody(shop, secret):
    shop.webhook_secret = secret
    shop.save()
    raw = b'{"id": 7}'

    answer = woo(raw, HTTP_X_WC_WEBHOOK_SIGNATURE=signature(raw, secret))

    assert answer.status_code == 401


def test_a_signature_of_one_scheme_is_none_of_another(shop):
    assert wpw({"ID": 7}).status_code == 401
    shop.scheme = Scheme.STANDARD
    shop.save()
    assert woo({"id": 7}).status_code == 401


def test_a_site_that_is_disabled_wakes_nobody(shop, there):
    there.add(7, "ann")
    woo({"id": 7})
    shop.disabled_at = timezone.now()
    shop.save()

    assert woo({"id": 8}).status_code == 401
    assert look() == 0
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("order.created", b'{"id": 7}'), ("customer.exploded", b'{"id": 7}'), ("", b'{"id": 7}'),
        ("customer.updated", b""), ("customer.updated", b"[7]"), ("customer.updated", b"{"),
        ("customer.updated", b'{"id": -7}'), ("customer.updated", b'{"id": true}'),
        ("customer.updated", b'{"id": 1e400}'), ("customer.updated", b'{"id": "7 "}'),
        ("customer.updated", b'{"id": 99999999999999999999}'), ("customer.updated", b"[" * 100_000),
    ],
)  # fmt: skip
def test_what_is_about_no_user_is_ignored(shop, topic, body):
    answer = woo(body, topic)

    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert WakeUp.objects.count() == 0


def test_a_wordpress_that_is_away_is_asked_again_later_and_given_up_in_the_end(shop, there):
    there.add(7, "ann")
    there.broken["/"] = 2
    woo({"id": 7})
    assert look() == 0
    row = WakeUp.objects.get()
    assert (row.attempts, row.failed_at) == (1, None)
    assert "No WordPress REST API" in row.last_error
    assert row.due_at > timezone.now() + timedelta(seconds=5)

    for _ in range(MOST_ATTEMPTS):
        there.broken["/"] = 2
        WakeUp.objects.filter(failed_at=None).update(due_at=timezone.now())
        look()
    assert WakeUp.objects.get().failed_at is not None

    there.broken.clear()
    woo({"id": 7, "again": 1})
    assert look() == 1
    assert User.objects.get().username == "ann"


def test_a_secret_never_stands_in_what_is_kept_of_a_failure(shop, there):
    there.has_passwords = False
    woo({"id": 7})
    look()

    error = WakeUp.objects.get().last_error
    assert error == "Application Passwords are off: use https."


def test_word_that_comes_while_one_is_looked_at_is_looked_at_again(shop, there, monkeypatch):
    there.add(7, "ann")
    woo({"id": 7})
    real = wakeups.refresh

    def refresh(site, number):
        outcome = real(site, number)
        assert woo({"id": 7, "again": 1}).json() == {"status": "queued"}
        return outcome

    monkeypatch.setattr(wakeups, "refresh", refresh)
    assert look() == 0
    monkeypatch.setattr(wakeups, "refresh", real)
    assert (WakeUp.objects.count(), look()) == (1, 1)


def test_one_wordpress_that_is_away_holds_up_no_other(shop, there):
    other = make.site(2)
    other.scheme, other.webhook_secret = Scheme.WOOCOMMERCE, "a secret of the other shop"
    other.url, other.rest_username = "http://127.0.0.1:9/", "root"
    other.rest_password = PASSWORD
    other.save()
    for number in range(1, 31):
        raw = json.dumps({"id": number}).encode()
        woo(raw, HTTP_X_WC_WEBHOOK_SIGNATURE=signature(raw, "a secret of the other shop"))
    there.add(7, "ann")
    woo({"id": 7})

    look()
    look()

    assert User.objects.get().username == "ann"
    assert WakeUp.objects.filter(site=other, attempts=1).count() == 1
    assert WakeUp.objects.filter(site=other, attempts=0).count() == 29


def test_a_relay_that_is_to_end_begins_no_other(shop, there):
    there.add(7, "ann")
    woo({"id": 7})

    assert look_at_due(timezone.now() + timedelta(seconds=1), lambda: True) == 0
    assert (WakeUp.objects.get().attempts, look()) == (0, 1)
