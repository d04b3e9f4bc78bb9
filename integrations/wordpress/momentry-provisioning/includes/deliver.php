<?php
/**
 * Sending what waits: one sender at a time, each user's events in their order, a bounded number.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

const REQUEST_ROWS    = 10; // What one request of a visitor sends along.
const REQUEST_SECONDS = 5;
const CRON_ROWS       = 500;
const CRON_SECONDS    = 40;
const REFUSED         = array( 400, 410, 422 ); // The event itself is wrong: never again.
const NOBODY_ANSWERED = array( 0, 401, 403, 404, 429, 502, 503, 504 ); // Nothing to do with one event.

/** Did momentry fail to answer within the last seconds? Then no visitor waits for it again. */
function is_peer_resting(): bool {
	$error = last_error();
	return isset( $error['time'], $error['status'] )
		&& in_array( (int) $error['status'], NOBODY_ANSWERED, true )
		&& time() - (int) $error['time'] < FIRST_PAUSE;
}

/** Send at most so many events for about so long. How many were delivered. */
function deliver( int $rows, int $seconds ): int {
	if ( ! is_configured() ) {
		return 0;
	}
	$end  = microtime( true ) + $seconds;
	$sent = 0;
	do {
		if ( ! take_lock( 'send', 0 ) ) {
			return $sent; // Whoever holds it looks again after giving it back.
		}
		try {
			list( $delivered, $goes_on ) = deliver_round( $rows - $sent, $end );
		} finally {
			free_lock( 'send' );
		}
		$sent += $delivered;
	} while ( $goes_on && $sent < $rows && microtime( true ) < $end && array() !== due_events( 1 ) );
	return $sent;
}

/** One round over the users who have something due: array of how many were delivered, and does it go on? */
function deliver_round( int $rows, float $end ): array {
	$sent = 0;
	foreach ( due_events( $rows ) as $event ) {
		if ( microtime( true ) >= $end ) {
			break;
		}
		$status = deliver_event( $event );
		if ( in_array( $status, NOBODY_ANSWERED, true ) ) {
			return array( $sent, false );
		}
		$sent += $status >= 200 && $status < 300 ? 1 : 0;
	}
	return array( $sent, true );
}

/** The status of one attempt; its outcome is in the table. */
function deliver_event( object $event ): int {
	$answer = signed_post( WEBHOOK, $event->event_id, body_of( $event ), REQUEST_SECONDS, 1 + (int) $event->tries );
	if ( $answer->status >= 200 && $answer->status < 300 ) {
		finish( $event );
		if ( array() !== last_error() && in_array( (int) last_error()['status'], NOBODY_ANSWERED, true ) ) {
			release_waiting();
			delete_option( 'momentry_last_error' );
		}
		return $answer->status;
	}
	if ( in_array( $answer->status, REFUSED, true ) ) {
		finish( $event );
		update_option( 'momentry_dropped', 1 + (int) get_option( 'momentry_dropped', 0 ), false );
		remember_error( $answer->status, "user {$event->user_id}, dropped: {$answer->text}" );
		return $answer->status;
	}
	postpone( $event, $answer->status, $answer->retry_after );
	remember_error( $answer->status, $answer->text );
	return $answer->status;
}
