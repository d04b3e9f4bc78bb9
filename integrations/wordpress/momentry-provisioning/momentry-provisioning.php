<?php
/**
 * Plugin Name:       momentry provisioning
 * Description:       Tells momentry who registers, changes and leaves, and shows members their quota, usage and keys.
 * Version:           1.0.0
 * Requires at least: 6.0
 * Requires PHP:      7.4
 * Author:            momentry
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:       momentry-provisioning
 * Domain Path:       /languages
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

const VERSION = '1.0.0';
const FILE    = __FILE__;

require __DIR__ . '/includes/settings.php';
require __DIR__ . '/includes/outbox.php';
require __DIR__ . '/includes/snapshot.php';
require __DIR__ . '/includes/changes.php';
require __DIR__ . '/includes/client.php';
require __DIR__ . '/includes/deliver.php';
require __DIR__ . '/includes/backfill.php';
require __DIR__ . '/includes/member.php';
require __DIR__ . '/includes/memberview.php';
require __DIR__ . '/includes/rest.php';
if ( is_admin() ) {
	require __DIR__ . '/includes/actions.php';
	require __DIR__ . '/includes/page.php';
}
if ( defined( 'WP_CLI' ) && WP_CLI ) {
	require __DIR__ . '/includes/cli.php';
}

/** The table and the minute's work. Also called by each start, as updates run no activation hook. */
function install(): void {
	if ( get_option( 'momentry_version' ) !== VERSION ) {
		create_outbox();
		update_option( 'momentry_version', VERSION, true );
	}
	if ( ! wp_next_scheduled( 'momentry_minute' ) ) {
		wp_schedule_event( time(), 'momentry_minute', 'momentry_minute' );
	}
}

/** Rows that wait are kept: an activation later sends them. */
function deactivate(): void {
	wp_clear_scheduled_hook( 'momentry_minute' );
}

function each_minute( array $schedules ): array {
	$schedules['momentry_minute'] = array(
		'interval' => 60,
		'display'  => 'momentry',
	);
	return $schedules;
}

function minutes_work(): void {
	backfill_next();
	deliver( CRON_ROWS, CRON_SECONDS );
}

function translations(): void {
	load_plugin_textdomain( 'momentry-provisioning', false, dirname( plugin_basename( FILE ) ) . '/languages' );
}

add_filter( 'cron_schedules', __NAMESPACE__ . '\each_minute' ); // phpcs:ignore -- a minute is meant
add_action( 'momentry_minute', __NAMESPACE__ . '\minutes_work' );
add_action( 'init', __NAMESPACE__ . '\translations' );
add_action( 'init', __NAMESPACE__ . '\install' );
register_activation_hook( FILE, __NAMESPACE__ . '\install' );
register_deactivation_hook( FILE, __NAMESPACE__ . '\deactivate' );
