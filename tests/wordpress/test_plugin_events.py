"""What the plugin tells, on a real WordPress: one whole picture per user and request."""

import html
import re

import pytest

from tests.e2e.browser import Form
from tests.wordpress.installation import USER_PASSWORD

pytestmark = pytest.mark.slow
ENABLE = "update_user_meta( {user}, 'disabled', '{on}' )"
FILTERS = """<?php
add_filter( 'momentry_user_status', function ( $status, $user ) {
    return get_user_meta( $user->ID, 'disabled', true ) ? 'suspended' : $status;
}, 10, 2 );
add_filter( 'momentry_watched_meta', function ( $keys ) { $keys[] = 'disabled'; return $keys; } );
"""


def last(peer, user):
    told = peer.of(user)[-1]
    return told.body["type"], told.user["status"]


def post_form(browser, page: str, to: str, **changes: str):
    """A form of wp-admin, with its own nonce."""
    seen = browser.get(page)
    assert seen.status_code == 200, page
    answer = browser.post(to, data=Form(seen.text).fields | changes)
    assert answer.status_code == 302, answer.text[:3000]


def delete_by_form(browser, user: int):
    """The link in the list of users, then the button of the page that asks."""
    listed = browser.get("/wp-admin/users.php").text
    link = re.search(rf"users\.php\?action=delete&amp;user={user}&amp;_wpnonce=\w+", listed)[0]
    asked = browser.get(f"/wp-admin/{html.unescape(link)}")
    nonce = re.search(r'name="_wpnonce" value="(\w+)"', asked.text)[1]
    sure = {
        "action": "dodelete",
        "users[]": str(user),
        "_wpnonce": nonce,
        "delete_option": "delete",
    }
    assert browser.post("/wp-admin/users.php", data=sure).status_code == 302


def test_a_registration_by_rest_is_one_event_with_the_roles(wordpress, peer):
    user = wordpress.register("ann", first_name="Ann", last_name="王", roles=["author"])

    (told,) = peer.of(user)
    assert told.body["type"] == "user.registered"
    assert told.user == {
        "id": user, "username": "ann", "email": "ann@example.org", "display_name": "Ann 王",
        "first_name": "Ann", "last_name": "王", "locale": "en_US", "roles": ["author"],
        "status": "active", "registered_at": told.user["registered_at"],
    }  # fmt: skip
    assert told.event_id == told.body["id"]
    assert (peer.forged, wordpress.waiting()) == ([], 0)


def test_every_change_by_rest_is_one_event_in_order(wordpress, peer):
    user = wordpress.register("bea")
    wordpress.rest("POST", f"users/{user}", email="b2@example.org", roles=["editor"])
    wordpress.rest("POST", f"users/{user}", roles=[])
    wordpress.rest("DELETE", f"users/{user}?force=true&reassign=1")

    told = peer.of(user)
    assert [(each.body["type"], each.user["email"], each.user["status"]) for each in told] == [
        ("user.registered", "bea@example.org", "active"),
        ("user.updated", "b2@example.org", "active"),
        ("user.updated", "b2@example.org", "suspended"),
        ("user.deleted", "b2@example.org", "deleted"),
    ]
    sequences = [each.body["sequence"] for each in told]
    assert sequences == sorted(set(sequences))


def test_the_forms_of_wp_admin_tell_the_same(wordpress, peer):
    staff = wordpress.log_in()
    post_form(
        staff, "/wp-admin/user-new.php", "/wp-admin/user-new.php",
        user_login="cora", email="cora@example.org", pass1=USER_PASSWORD,
        pass2=USER_PASSWORD, role="subscriber",
    )  # fmt: skip
    user = peer.told[-1].user["id"]
    edit = f"/wp-admin/user-edit.php?user_id={user}"
    post_form(staff, edit, edit, email="c2@example.org", role="author")
    post_form(staff, edit, edit, role="")
    delete_by_form(staff, user)

    assert [
        (told.body["type"], told.user["email"], told.user["roles"], told.user["status"])
        for told in peer.of(user)
    ] == [
        ("user.registered", "cora@example.org", ["subscriber"], "active"),
        ("user.updated", "c2@example.org", ["author"], "active"),
        ("user.updated", "c2@example.org", [], "suspended"),
        ("user.deleted", "c2@example.org", [], "deleted"),
    ]


def test_a_change_that_momentry_would_not_see_is_not_told(wordpress, peer):
    user = wordpress.register("dora")

    wordpress.rest("POST", f"users/{user}", password="another password 4711")

    assert len(peer.of(user)) == 1


def test_no_password_hash_and_no_session_leaves_the_site(wordpress, peer):
    user = wordpress.register("emma")
    wordpress.log_in("emma", USER_PASSWORD)
    wordpress.rest("POST", f"users/{user}", email="e2@example.org")

    kept = wordpress.sql(f"SELECT user_pass FROM wp_users WHERE ID = {user}")
    session = wordpress.sql(
        f"SELECT meta_value FROM wp_usermeta WHERE user_id={user} AND meta_key='session_tokens'"
    )
    assert kept
    assert session
    for told in peer.of(user):
        assert kept not in told.raw
        assert "session" not in told.raw


def test_a_user_marked_as_spam_is_suspended(wordpress, peer):
    user = wordpress.register("faye")

    wordpress.sql(f"UPDATE wp_users SET user_status = 1 WHERE ID = {user}")
    wordpress.rest("POST", f"users/{user}", first_name="Faye")

    assert last(peer, user) == ("user.updated", "suspended")


def test_another_plugin_says_who_is_suspended_by_filters(wordpress, peer):
    must_use = wordpress.site / "wp-content" / "mu-plugins"
    must_use.mkdir(exist_ok=True)
    (must_use / "disable.php").write_text(FILTERS)
    try:
        user = wordpress.register("gina")
        wordpress.eval(ENABLE.format(user=user, on="1"))
        suspended = last(peer, user)
        wordpress.eval(ENABLE.format(user=user, on=""))
    finally:
        (must_use / "disable.php").unlink()

    assert suspended == ("user.updated", "suspended")
    assert last(peer, user) == ("user.updated", "active")


def test_users_of_excluded_roles_are_no_members_and_those_who_become_so_are_suspended(
    wordpress, peer
):
    wordpress.eval("update_option( 'momentry_excluded_roles', array( 'editor' ) )")

    never = wordpress.register("hana", roles=["editor"])
    wordpress.rest("POST", f"users/{never}", email="h2@example.org")
    member = wordpress.register("ines")
    wordpress.rest("POST", f"users/{member}", roles=["editor"])

    assert peer.of(never) == []
    assert last(peer, member) == ("user.updated", "suspended")


def test_a_user_made_and_deleted_in_one_request_is_told_as_gone(wordpress, peer):
    user = wordpress.eval(
        "array( $id = wp_create_user( 'jane', 'x', 'jane@example.org' ),"
        " require_once( ABSPATH . 'wp-admin/includes/user.php' ), wp_delete_user( $id ) )[0]"
    )

    (told,) = peer.of(user)
    assert (told.body["type"], told.user["username"]) == ("user.deleted", "jane")


def test_a_username_with_a_space_and_words_of_any_script_arrive_whole(wordpress, peer):
    user = wordpress.register("First Last@example.org", email="fl@example.org", name="Ωμέγα 🎬")

    assert peer.of(user)[0].user["username"] == "First Last@example.org"
    assert peer.of(user)[0].user["display_name"] == "Ωμέγα 🎬"


def test_the_whole_of_the_users_is_told_in_batches_on_demand(wordpress, peer):
    wordpress.eval("remove_all_actions( 'shutdown' )")
    wordpress.eval("Momentry\\Provisioning\\backfill_start()")
    wordpress.minute()

    users = {int(line) for line in wordpress.sql("SELECT ID FROM wp_users").split()}
    assert {told.user["id"] for told in peer.told} == users
    assert wordpress.eval("Momentry\\Provisioning\\backfill_state()") == []
