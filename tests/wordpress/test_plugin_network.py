"""On one site of a network: leaving the site suspends, leaving the network deletes."""

import pytest

from tests.wordpress.conftest import SECRET
from tests.wordpress.installation import WordPress

pytestmark = pytest.mark.slow
MS = "require_once( ABSPATH . 'wp-admin/includes/ms.php' )"
PLUGINS = "require_once( ABSPATH . 'wp-admin/includes/plugin.php' )"
USERS = "require_once( ABSPATH . 'wp-admin/includes/user.php' )"


@pytest.fixture
def network(tmp_path, peer):
    made = WordPress(tmp_path / "network").start()
    made.php("network.php")
    made.connect(peer.url, SECRET)
    yield made
    made.stop()


def test_users_of_the_site_are_told_and_those_of_the_network_only_when_they_join(network, peer):
    user = network.eval("wpmu_create_user( 'ann', 'a long password', 'ann@example.org' )")
    network.eval(f"add_user_to_blog( 1, {user}, 'subscriber' )")
    network.eval(f"remove_user_from_blog( {user}, 1 )")
    network.eval(f"add_user_to_blog( 1, {user}, 'editor' )")
    network.eval(f"array( {USERS}, wp_delete_user( {user} ) )")
    network.eval(f"array( {MS}, {USERS}, wpmu_delete_user( {user} ) )")

    told = [(each.body["type"], each.user["status"], each.user["roles"]) for each in peer.of(user)]
    assert told == [
        ("user.updated", "active", ["subscriber"]),
        ("user.updated", "suspended", []),
        ("user.updated", "active", ["editor"]),
        ("user.updated", "suspended", []),
        ("user.deleted", "deleted", []),
    ]
    log = network.site / "debug.log"
    assert "momentry" not in (log.read_text() if log.exists() else "")


def test_it_leaves_nothing_behind_on_a_network(network, peer):
    path = "momentry-provisioning/momentry-provisioning.php"
    network.eval(
        f"array( {PLUGINS}, deactivate_plugins( '{path}' ), uninstall_plugin( '{path}' ) )"
    )

    assert network.sql("SHOW TABLES LIKE '%momentry%'") == ""
    kept = "SELECT * FROM wp_options WHERE option_name LIKE 'momentry%'"
    assert network.sql(kept) == ""
