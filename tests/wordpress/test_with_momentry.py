"""The real WordPress and the real momentry: people come, change and go, whatever is away."""

import base64
import hmac
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook

from tests.e2e.up import ROOT
from tests.gateway.wire import within
from tests.wordpress.conftest import OTHER, SECRET
from tests.wordpress.installation import USER_PASSWORD
from tests.wordpress.test_plugin_events import delete_by_form, post_form
from tests.wordpress.test_plugin_pages import press, said

pytestmark = pytest.mark.slow


def test_a_member_comes_changes_is_suspended_and_goes_by_rest(site, momentry):
    user = site.register("alma", first_name="Ann")
    came = momentry.member(user)
    site.rest("POST", f"users/{user}", email="alma2@example.org", roles=["author"])
    changed = momentry.member(user)
    site.rest("POST", f"users/{user}", roles=[])
    suspended = momentry.member(user)
    site.rest("POST", f"users/{user}", roles=["subscriber"])
    resumed = momentry.member(user)
    site.rest("DELETE", f"users/{user}?force=true&reassign=1")

    assert (came, changed, suspended, resumed, momentry.member(user)) == (
        ("alma", "alma@example.org", "active"),
        ("alma", "alma2@example.org", "active"),
        ("alma", "alma2@example.org", "suspended"),
        ("alma", "alma2@example.org", "active"),
        ("alma", "alma2@example.org", "deleted"),
    )
    assert momentry.keys(user) == [(False, True)]


def test_the_same_by_the_forms_of_wp_admin_with_momentry_away_in_between(site, momentry):
    staff = site.log_in()
    momentry.stop()
    post_form(
        staff, "/wp-admin/user-new.php", "/wp-admin/user-new.php",
        user_login="berta", email="berta@example.org", pass1=USER_PASSWORD, pass2=USER_PASSWORD,
        role="subscriber",
    )  # fmt: skip
    user = int(site.sql("SELECT ID FROM wp_users WHERE user_login = 'berta'"))
    edit = f"/wp-admin/user-edit.php?user_id={user}"
    post_form(staff, edit, edit, email="berta2@example.org")
    assert site.waiting() == 2

    momentry.start()
    site.make_due()
    site.minute()
    assert momentry.member(user) == ("berta", "berta2@example.org", "active")
    assert (site.waiting(), len(momentry.keys(user))) == (0, 1)

    momentry.stop()
    post_form(staff, edit, edit, role="")
    delete_by_form(staff, user)
    momentry.start()
    site.make_due()
    site.minute()

    assert momentry.member(user)[2] == "deleted"
    order = "SELECT type FROM provisioning_inboxevent WHERE wordpress_id = %s ORDER BY id"
    assert [kind for (kind,) in momentry.rows(order, user)] == [
        "user.registered", "user.updated", "user.updated", "user.deleted",
    ]  # fmt: skip


def test_the_connection_test_knows_momentry(site, momentry):
    staff = site.log_in()
    works = said(press(staff, "test"))
    site.connect(momentry.url, OTHER)
    refused = said(press(staff, "test"))

    assert works == "The connection works: momentry knows this site and its secret."
    assert refused.startswith("momentry is there, but refuses the signature")


def test_a_name_in_use_waits_for_staff_and_wordpress_goes_on(site, momentry):
    token = momentry.running.admin_token
    made = httpx2.post(
        f"{momentry.url}/api/v1/admin/users",
        json={"username": "frida", "email": "elsewhere@example.org"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert made.status_code == 201

    user = site.register("Frida")

    assert momentry.member(user)[2] == "pending"
    assert site.waiting() == 0


def test_changes_made_in_the_database_of_wordpress_are_found_by_comparing(site, momentry):
    user = site.register("greta")
    gone = site.register("helga")
    site.sql(f"UPDATE wp_users SET user_email = 'g2@example.org' WHERE ID = {user}")
    site.sql(f"DELETE FROM wp_users WHERE ID = {gone}")
    site.sql(f"DELETE FROM wp_usermeta WHERE user_id = {gone}")

    def reconcile(*options: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *options], cwd=ROOT, check=False,
            env=momentry.environment(), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    dry = reconcile("reconcile", "--wordpress", "--dry-run")
    before = momentry.member(user), momentry.member(gone)
    reconcile("reconcile", "--wordpress")

    assert f"profile: user {user} (email)" in dry
    assert f"gone: user {gone}" in dry
    assert (before[0][1], before[1][2]) == ("greta@example.org", "active")
    assert momentry.member(user)[1] == "g2@example.org"
    assert momentry.member(gone)[2] == "deleted"
    assert momentry.member(1) == ()  # an administrator is no member
    checked = reconcile("check_site")
    assert "Application Password is good" in checked
    assert "is not active there" not in checked


def test_word_of_woocommerce_makes_the_relay_ask_the_real_wordpress(site, momentry):
    user = site.register("ilse")
    secret = "a secret that WooCommerce made"
    momentry.set_scheme("woocommerce", secret)
    try:
        site.sql(f"UPDATE wp_users SET user_email = 'i2@example.org' WHERE ID = {user}")
        body = json.dumps({"id": user, "email": "forged@example.org"}).encode()
        signature = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
        answer = httpx2.post(
            f"{momentry.url}/api/v1/webhooks/wordpress",
            content=body,
            headers={"X-WC-Webhook-Signature": signature, "X-WC-Webhook-Topic": "customer.updated"},
        )
        assert (answer.status_code, answer.json()) == (200, {"status": "queued"})
        assert within(15, lambda: momentry.member(user)[1] == "i2@example.org")
    finally:
        momentry.set_scheme("standard", SECRET)


def test_one_event_fifty_times_at_once_makes_one_member(site, momentry):
    user = {"id": 999_999, "username": "fifty", "email": "fifty@example.net", "status": "active"}
    body = json.dumps({"type": "user.registered", "sequence": 1, "data": {"user": user}})

    def send(_: int) -> str:
        now = datetime.now(UTC)
        headers = {
            "webhook-id": "fifty",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign("fifty", now, body),
        }
        answer = httpx2.post(
            f"{momentry.url}/api/v1/webhooks/wordpress", content=body, headers=headers, timeout=60
        )
        return str(answer.json()["status"])

    with ThreadPoolExecutor(25) as pool:
        answers = sorted(pool.map(send, range(50)))

    assert answers == ["applied"] + ["duplicate"] * 49
    assert momentry.keys(999_999) == [(False, False)]


def test_nothing_secret_of_wordpress_is_anywhere_in_momentry(site, momentry):
    user = site.register("jutta")
    site.log_in("jutta", USER_PASSWORD)
    hashed = site.sql(f"SELECT user_pass FROM wp_users WHERE ID = {user}")
    session = site.sql(
        f"SELECT meta_value FROM wp_usermeta WHERE user_id={user} AND meta_key='session_tokens'"
    )
    token = re.search(r'"([0-9a-f]{64})"', session)[1]
    site.rest("POST", f"users/{user}", email="jutta2@example.org")

    tables = momentry.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    everything = momentry.logs() + "".join(
        str(momentry.rows(f'SELECT t::text FROM "{name}" t')) for (name,) in tables
    )

    hidden = (hashed, token, SECRET, SECRET.removeprefix("whsec_"), site.application_password)
    assert [secret for secret in hidden if secret in everything] == []
