<?php
/**
 * Leaves nothing: neither table nor options nor user meta nor scheduled work, on no site of a network.
 *
 * @package momentry-provisioning
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

/** What this site has of the plugin. */
function momentry_provisioning_forget(): void {
	global $wpdb;
	$table = $wpdb->prefix . 'momentry_outbox';
	$wpdb->query( "DROP TABLE IF EXISTS $table" ); // phpcs:ignore WordPress.DB -- a name of our own
	foreach ( array( 'version', 'url', 'secret', 'secret_previous', 'excluded_roles', 'last_error', 'dropped', 'backfill' ) as $name ) {
		delete_option( "momentry_$name" );
	}
	wp_clear_scheduled_hook( 'momentry_minute' );
}

if ( is_multisite() ) {
	foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $momentry_site ) {
		switch_to_blog( $momentry_site );
		momentry_provisioning_forget();
		restore_current_blog();
	}
} else {
	momentry_provisioning_forget();
}
delete_metadata( 'user', 0, '_momentry_sent', '', true );
