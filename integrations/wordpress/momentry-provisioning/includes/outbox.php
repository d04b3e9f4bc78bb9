<?php
/**
 * The outbox: a table, because an option would lose rows when two requests write at once.
 * A row's id is its sequence; the body sent is made of the row, so a row is one INSERT or is not.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

const FIRST_PAUSE   = 30; // Seconds; doubled with each failure.
const LONGEST_PAUSE = 3600;

function outbox_table(): string {
	global $wpdb;
	return $wpdb->prefix . 'momentry_outbox';
}

/** Milliseconds: no site makes more events than these pass. */
function sequence_now(): int {
	return (int) floor( microtime( true ) * 1000 );
}

/** Sequences begin at the clock, so that those of a plugin that was removed and came back are higher. */
function create_outbox(): void {
	global $wpdb;
	$table   = outbox_table();
	$collate = $wpdb->get_charset_collate();
	$start   = sequence_now();
	$wpdb->query( // phpcs:ignore WordPress.DB -- names of our own
		"CREATE TABLE IF NOT EXISTS $table (
			id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
			event_id CHAR(36) NOT NULL,
			user_id BIGINT UNSIGNED NOT NULL,
			type VARCHAR(20) NOT NULL,
			data LONGTEXT NOT NULL,
			created_at BIGINT NOT NULL,
			next_at BIGINT NOT NULL,
			tries INT UNSIGNED NOT NULL DEFAULT 0,
			last_status SMALLINT NOT NULL DEFAULT -1,
			done TINYINT NOT NULL DEFAULT 0,
			PRIMARY KEY (id),
			KEY waiting (done, next_at),
			KEY of_user (user_id, done, id)
		) ENGINE=InnoDB $collate AUTO_INCREMENT=$start"
	);
}

/** After a restored database: sequences go on above all that were sent before. */
function lift_sequence(): void {
	global $wpdb;
	$table = outbox_table();
	$next  = max( sequence_now(), 1 + (int) $wpdb->get_var( "SELECT MAX(id) FROM $table" ) ); // phpcs:ignore WordPress.DB
	$wpdb->query( "ALTER TABLE $table AUTO_INCREMENT=$next" ); // phpcs:ignore WordPress.DB
}

/** One event as one INSERT. False when the database refused it. */
function add_event( int $user_id, string $type, array $user ): bool {
	global $wpdb;
	$data = wp_json_encode( array( 'user' => $user ) );
	if ( false === $data ) {
		remember_error( 0, "user $user_id cannot be written as JSON" );
		return false;
	}
	$row = array(
		'event_id'   => wp_generate_uuid4(),
		'user_id'    => $user_id,
		'type'       => $type,
		'data'       => $data,
		'created_at' => time(),
		'next_at'    => time(),
	);
	if ( false === $wpdb->insert( outbox_table(), $row ) ) {
		remember_error( 0, "user $user_id: the outbox cannot be written" );
		return false;
	}
	return true;
}

/** The oldest waiting event of each user that is due, oldest first: a user's later ones wait for it. */
function due_events( int $most ): array {
	global $wpdb;
	$table = outbox_table();
	return (array) $wpdb->get_results(
		$wpdb->prepare(
			"SELECT e.* FROM $table e WHERE e.done = 0 AND e.next_at <= %d AND NOT EXISTS (
				SELECT 1 FROM $table b WHERE b.user_id = e.user_id AND b.done = 0 AND b.id < e.id
			) ORDER BY e.id LIMIT %d", // phpcs:ignore WordPress.DB
			time(),
			$most
		)
	);
}

/** The bytes that are signed and sent; the same at each attempt. */
function body_of( object $event ): string {
	return sprintf(
		'{"type":%s,"id":%s,"sequence":%d,"timestamp":%s,"site":%s,"data":%s}',
		wp_json_encode( $event->type ),
		wp_json_encode( $event->event_id ),
		(int) $event->id,
		wp_json_encode( gmdate( 'Y-m-d\TH:i:s\Z', (int) $event->created_at ) ),
		wp_json_encode( home_url( '/' ) ),
		$event->data
	);
}

/**
 * Delivered, or refused for good. The newest row stays, without its data: MySQL before 8 gives ids
 * of an emptied table again after a restart.
 */
function finish( object $event ): void {
	global $wpdb;
	$table = outbox_table();
	$wpdb->query( $wpdb->prepare( "UPDATE $table SET done = 1, data = '{}' WHERE id = %d", $event->id ) ); // phpcs:ignore WordPress.DB
	$newest = (int) $wpdb->get_var( "SELECT MAX(id) FROM $table" ); // phpcs:ignore WordPress.DB
	$wpdb->query( $wpdb->prepare( "DELETE FROM $table WHERE done = 1 AND id < %d", $newest ) ); // phpcs:ignore WordPress.DB
}

/** Try it again after 30 s, 60 s, … an hour at most, or later if momentry asked for that. */
function postpone( object $event, int $status, int $retry_after ): void {
	global $wpdb;
	$pause = min( LONGEST_PAUSE, max( FIRST_PAUSE * 2 ** min( (int) $event->tries, 7 ), $retry_after ) );
	$row   = array(
		'tries'       => (int) $event->tries + 1,
		'next_at'     => time() + $pause,
		'last_status' => $status,
	);
	$wpdb->update( outbox_table(), $row, array( 'id' => $event->id ) );
}

/** momentry answers again: what waited only because it did not, waits no longer. */
function release_waiting(): void {
	global $wpdb;
	$table  = outbox_table();
	$status = implode( ',', NOBODY_ANSWERED );
	$wpdb->query( $wpdb->prepare( "UPDATE $table SET next_at = %d WHERE done = 0 AND next_at > %d AND last_status IN ($status)", time(), time() ) ); // phpcs:ignore WordPress.DB
}

function make_all_due(): void {
	global $wpdb;
	$table = outbox_table();
	$wpdb->query( $wpdb->prepare( "UPDATE $table SET next_at = %d WHERE done = 0", time() ) ); // phpcs:ignore WordPress.DB
}

function waiting_count(): int {
	global $wpdb;
	$table = outbox_table();
	return (int) $wpdb->get_var( "SELECT COUNT(*) FROM $table WHERE done = 0" ); // phpcs:ignore WordPress.DB
}

/** When the oldest waiting event was made, or 0. */
function waiting_since(): int {
	global $wpdb;
	$table = outbox_table();
	return (int) $wpdb->get_var( "SELECT MIN(created_at) FROM $table WHERE done = 0" ); // phpcs:ignore WordPress.DB
}

/** MySQL's own lock, given back when the connection ends. Names are the whole server's: 64 characters. */
function take_lock( string $name, int $seconds ): bool {
	global $wpdb;
	return '1' === (string) $wpdb->get_var( $wpdb->prepare( 'SELECT GET_LOCK(%s, %d)', lock_name( $name ), $seconds ) );
}

function free_lock( string $name ): void {
	global $wpdb;
	$wpdb->query( $wpdb->prepare( 'SELECT RELEASE_LOCK(%s)', lock_name( $name ) ) );
}

function lock_name( string $name ): string {
	global $wpdb;
	return 'momentry_' . substr( md5( DB_NAME . $wpdb->prefix ), 0, 16 ) . "_$name";
}
