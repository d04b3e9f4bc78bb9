<?php
/**
 * Users who were there before the plugin: told of in batches, one now and one each minute.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

const BATCH = 200;

/** Begin anew. Sequences go on above the clock, which also mends a restored database. */
function backfill_start(): void {
	lift_sequence();
	$state = array(
		'after'  => 0,
		'queued' => 0,
	);
	update_option( 'momentry_backfill', $state, false );
}

/** The state of one that runs: array of after and queued; empty when none does. */
function backfill_state(): array {
	$state = get_option( 'momentry_backfill', array() );
	return is_array( $state ) && isset( $state['after'], $state['queued'] ) ? $state : array();
}

/** One batch. Is there more? Two at once tell some users twice, which harms nobody. */
function backfill_next(): bool {
	global $wpdb;
	$state = backfill_state();
	if ( array() === $state ) {
		return false;
	}
	$ids = $wpdb->get_col( $wpdb->prepare( "SELECT ID FROM {$wpdb->users} WHERE ID > %d ORDER BY ID LIMIT %d", $state['after'], BATCH ) );
	foreach ( $ids as $id ) {
		$state['queued'] += queue_user( (int) $id, 'user.updated', true ) ? 1 : 0;
		$state['after'] = (int) $id;
	}
	if ( count( $ids ) < BATCH ) {
		delete_option( 'momentry_backfill' );
		return false;
	}
	update_option( 'momentry_backfill', $state, false );
	return true;
}
