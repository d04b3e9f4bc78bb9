"""`wp momentry`: WP-CLI is a stand-in here that keeps its names; the WordPress is real."""

import pytest

pytestmark = pytest.mark.slow
SCRIPT = """<?php
define( 'WP_CLI', true );
class WP_CLI {
    public static $commands = array();
    public static function add_command( $name, $class ) { self::$commands[ $name ] = new $class(); }
    public static function log( $text ) { echo "$text\\n"; }
    public static function success( $text ) { echo "Success: $text\\n"; }
    public static function error( $text ) { echo "Error: $text\\n"; exit( 1 ); }
}
require __DIR__ . '/wp-load.php';
WP_CLI::$commands['momentry']->{$argv[1]}();
"""


@pytest.fixture
def wp(wordpress):
    (wordpress.site / "cli.php").write_text(SCRIPT)
    return lambda command: wordpress.php("cli.php", command)


def test_the_back_fill_tells_of_everybody_and_says_so(wordpress, peer, wp):
    wordpress.register("kate")
    users = int(wordpress.sql("SELECT COUNT(*) FROM wp_users"))
    peer.told.clear()

    said = wp("backfill")

    assert len({told.user["id"] for told in peer.told}) == users
    assert f"{users} sent, 0 waiting" in said
    assert said.endswith("Success: Nothing waits.\n")


def test_sending_says_what_waits_and_why(wordpress, peer, wp):
    peer.statuses.extend([503, 503])
    wordpress.register("lena")

    with pytest.raises(AssertionError, match="1 wait: told_503"):
        wp("send")
