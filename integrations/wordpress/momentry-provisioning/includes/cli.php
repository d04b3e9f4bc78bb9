<?php
/**
 * wp momentry: the back-fill and the outbox from the command line.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

/** Tell momentry of the users of this site. */
final class Command {
	/**
	 * Queues all users and sends them.
	 */
	public function backfill(): void {
		backfill_start();
		do {
			$has_more = backfill_next();
			\WP_CLI::log( sprintf( '%d waiting', waiting_count() ) );
		} while ( $has_more );
		$this->send();
	}

	/**
	 * Sends what waits.
	 */
	public function send(): void {
		make_all_due();
		do {
			$sent = deliver( CRON_ROWS, CRON_SECONDS );
			\WP_CLI::log( sprintf( '%d sent, %d waiting', $sent, waiting_count() ) );
		} while ( $sent > 0 && waiting_count() > 0 );
		if ( waiting_count() > 0 ) {
			$error = last_error();
			\WP_CLI::error( sprintf( '%d wait: %s', waiting_count(), $error['text'] ?? 'is it configured?' ) );
		}
		\WP_CLI::success( 'Nothing waits.' );
	}
}

\WP_CLI::add_command( 'momentry', __NAMESPACE__ . '\Command' );
