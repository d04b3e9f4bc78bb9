"""WooCommerce and WP Webhooks: signed word that a user changed; what is so is asked by REST."""

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Scheme, Status, User
from events.models import Mail
from provisioning.models import InboxEvent, WakeUp
from tests.provisioning.shop import look, post, signature, woo, wpw

pytestmark = pytest.mark.django_db
HASH, TOKEN = "$P$BqT5x3.theHashOfAPassword", "a-session-token-of-somebody"
WP_USER = {
    "data": {"ID": "7", "user_login": "ann", "user_pass": HASH, "user_email": "a@example.org"},
    "ID": 7, "roles": ["subscriber"], "user_meta": {"session_tokens": [TOKEN]},
}  # fmt: skip


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
