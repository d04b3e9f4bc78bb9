"""The plugin's page in wp-admin: what it lets whom do, what it never shows, and how it leaves."""

import re
import shutil

import httpx2
import pytest

from tests import make
from tests.e2e.browser import Form
from tests.gateway.wire import within
from tests.wordpress.conftest import OTHER, SECRET
from tests.wordpress.installation import PLUGIN, USER_PASSWORD
from tests.wordpress.peer import Peer

pytestmark = pytest.mark.slow
PAGE = "/wp-admin/options-general.php?page=momentry-provisioning"
POST = "/wp-admin/admin-post.php"
ACTIONS = ("save", "test", "send", "backfill")


@pytest.fixture(scope="module")
def staff(running):
    client = running.log_in()
    yield client
    client.close()


def forms(page: str) -> dict[str, dict[str, str]]:
    """The page's forms by what they do."""
    found = (Form(part).fields for part in re.findall(r"<form.*?</form>", page, re.DOTALL))
    return {each["action"].removeprefix("momentry_"): each for each in found if "action" in each}


def press(client: httpx2.Client, action: str, **changes: str) -> str:
    """The page as it is after a button."""
    fields = forms(client.get(PAGE).text)[action] | changes
    answer = client.post(POST, data=fields)
    assert (answer.status_code, answer.headers["Location"].endswith(PAGE)) == (302, True)
    return client.get(PAGE).text


def said(page: str) -> str:
    found: str = re.search(r'<div class="notice notice-\w+"><p>(.*?)</p></div>', page)[1]
    return found


def nonce_for(wordpress, browser, user: int, action: str) -> str:
    """One that WordPress would accept of this person, whatever the page shows them."""
    cookie = next(c.value for c in browser.cookies.jar if c.name.startswith("wordpress_logged_in_"))
    made: str = wordpress.eval(
        f"array( $_COOKIE[ LOGGED_IN_COOKIE ] = urldecode( '{cookie}' ),"
        f" wp_set_current_user( {user} ), wp_create_nonce( '{action}' ) )[2]"
    )
    return made


def option(wordpress, name: str):
    return wordpress.eval(f"get_option( 'momentry_{name}' )")


def test_a_secret_goes_in_and_never_comes_out(wordpress, staff):
    secret = make.webhook_secret(7)

    pages = [press(staff, "save", momentry_secret=secret), press(staff, "test")]

    assert (option(wordpress, "secret"), option(wordpress, "secret_previous")) == (secret, SECRET)
    for page in (*pages, staff.get("/wp-admin/options.php").text.partition("momentry_secret")[0]):
        for hidden in (secret, SECRET):
            assert hidden not in page
            assert hidden.removeprefix("whsec_") not in page


def test_an_empty_field_keeps_the_secret_and_the_previous_one_can_be_forgotten(wordpress, staff):
    press(staff, "save", momentry_secret=OTHER)
    press(staff, "save")
    assert (option(wordpress, "secret"), option(wordpress, "secret_previous")) == (OTHER, SECRET)

    press(staff, "save", momentry_forget_previous="1")

    assert (option(wordpress, "secret"), option(wordpress, "secret_previous")) == (OTHER, False)


@pytest.mark.parametrize("secret", ["x", "whsec_", "whsec_AAAA", "whsec_%%%", "whsec_" + "A" * 88])
def test_what_is_no_secret_is_refused_and_changes_nothing(wordpress, staff, secret):
    page = press(staff, "save", momentry_secret=secret, momentry_url="https://other.example.org")

    assert "Nothing was changed" in said(page)
    assert option(wordpress, "secret") == SECRET
    assert option(wordpress, "url") != "https://other.example.org"


@pytest.mark.parametrize(
    "url", ["ftp://x.example.org", "javascript:alert(1)", "https://u:p@x.example.org", "/here"]
)
def test_what_is_no_address_is_refused(wordpress, peer, staff, url):
    page = press(staff, "save", momentry_url=url)

    assert "address must be" in said(page)
    assert option(wordpress, "url") == peer.url


def test_http_to_another_machine_is_warned_of(wordpress, staff):
    assert "Use https" in said(press(staff, "save", momentry_url="http://x.example.org"))
    assert said(press(staff, "save", momentry_url="https://x.example.org/")) == "Saved."
    assert option(wordpress, "url") == "https://x.example.org"


def test_roles_that_do_not_exist_are_not_kept(wordpress, staff):
    press(staff, "save", **{"momentry_roles[]": ["editor", "nobody"]})

    assert option(wordpress, "excluded_roles") == ["editor"]


def test_the_connection_test_says_what_is_wrong(wordpress, peer, staff):
    peer.document = {"status": "pong"}
    works = said(press(staff, "test"))
    peer.document = {"hello": "world"}
    stranger = said(press(staff, "test"))
    peer.statuses.append(301)
    redirect = said(press(staff, "test"))
    wordpress.connect(peer.url, OTHER)
    unknown = said(press(staff, "test"))
    wordpress.connect("http://127.0.0.1:9", SECRET)
    nobody = said(press(staff, "test"))
    wordpress.connect("", "")
    unset = said(press(staff, "test"))

    assert works.startswith("The connection works")
    assert "(HTTP 200)" in stranger
    assert "redirect" in redirect
    assert "(HTTP 401)" in unknown  # momentry's own code is tried with momentry
    assert nobody.startswith("Nobody answers")
    assert unset.startswith("Set the address")


def test_what_waits_and_why_is_shown_and_sent_on_demand(wordpress, peer, staff):
    peer.statuses.append(503)
    wordpress.register("shown")
    page = staff.get(PAGE).text
    assert "told_503" in page
    assert re.search(r"Waiting</th><td>1 ", page)

    assert said(press(staff, "send")) == "Sent: 1. Nothing waits."
    assert re.search(r"Waiting</th><td>0<", staff.get(PAGE).text)


def test_words_of_a_hostile_momentry_are_escaped(wordpress, staff):
    wordpress.eval("Momentry\\Provisioning\\remember_error( 500, '<script>alert(1)</script>' )")

    page = staff.get(PAGE).text

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_button_for_all_users_queues_them(wordpress, peer, staff):
    press(staff, "backfill")
    wordpress.minute()

    assert len(peer.told) == int(wordpress.sql("SELECT COUNT(*) FROM wp_users"))


def test_whoever_may_not_manage_options_can_do_nothing(wordpress, peer):
    user = wordpress.register("nosy", roles=["editor"])
    nosy = wordpress.log_in("nosy", USER_PASSWORD)

    assert nosy.get(PAGE).status_code == 403
    for action in ACTIONS:
        nonce = nonce_for(wordpress, nosy, user, f"momentry_{action}")
        fields = {"action": f"momentry_{action}", "_wpnonce": nonce, "momentry_secret": OTHER}
        assert nosy.post(POST, data=fields).status_code == 403
        assert wordpress.client.post(POST, data=fields).status_code in {302, 400, 403}
    assert option(wordpress, "secret") == SECRET


def test_a_form_of_another_site_does_nothing_for_staff(wordpress, staff):
    fields = forms(staff.get(PAGE).text)
    for action in ACTIONS:
        wrong = fields["test" if action == "save" else "save"]["_wpnonce"]
        forged = {"action": f"momentry_{action}", "_wpnonce": wrong, "momentry_secret": OTHER}
        assert staff.post(POST, data=forged).status_code == 403
        assert staff.get(POST, params=forged).status_code == 403
    assert option(wordpress, "secret") == SECRET


def test_it_leaves_nothing_behind(wordpress, peer):
    wordpress.register("leaver")
    plugin = "plugins/momentry-provisioning/momentry-provisioning"
    try:
        assert wordpress.rest("POST", plugin, status="inactive").status_code == 200
        assert wordpress.rest("DELETE", plugin).status_code == 200
        tables = wordpress.sql("SHOW TABLES LIKE '%momentry%'")
        options = wordpress.sql(
            "SELECT option_name FROM wp_options WHERE option_name LIKE '%momentry%'"
        )
        meta = wordpress.sql("SELECT * FROM wp_usermeta WHERE meta_key LIKE '%momentry%'")
        cron = wordpress.sql("SELECT option_value FROM wp_options WHERE option_name = 'cron'")
    finally:
        target = wordpress.site / "wp-content" / "plugins" / PLUGIN.name
        shutil.copytree(PLUGIN, target, dirs_exist_ok=True)

    assert (tables, options, meta) == ("", "", "")
    assert "momentry" not in cron


def test_after_it_was_removed_and_came_back_sequences_go_on_rising(wordpress, peer):
    user = wordpress.register("again")
    before = peer.of(user)[-1].body["sequence"]
    wordpress.sql("DROP TABLE wp_momentry_outbox")
    wordpress.sql("DELETE FROM wp_options WHERE option_name = 'momentry_version'")
    now = "Momentry\\Provisioning\\sequence_now()"
    assert within(5, lambda: wordpress.eval(now) > before)

    wordpress.rest("POST", f"users/{user}", email="again2@example.org")

    assert peer.of(user)[-1].body["sequence"] > before


def test_a_momentry_that_came_to_another_port_is_followed(wordpress, staff):
    other = Peer(SECRET)
    other.document = {"status": "pong"}
    try:
        press(staff, "save", momentry_url=other.url)
        assert said(press(staff, "test")).startswith("The connection works")
    finally:
        other.stop()
