<?php
/**
 * One user as momentry is told: named fields only, nothing of what other plugins keep of them.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

const SENT = '_momentry_sent'; // User meta: what was queued last, as a digest.

function snapshot( \WP_User $user, string $status ): array {
	return array(
		'id'            => (int) $user->ID,
		'username'      => (string) $user->user_login,
		'email'         => (string) $user->user_email,
		'display_name'  => mb_substr( (string) $user->display_name, 0, 250 ),
		'first_name'    => mb_substr( (string) $user->first_name, 0, 250 ),
		'last_name'     => mb_substr( (string) $user->last_name, 0, 250 ),
		'locale'        => mb_substr( (string) get_user_locale( $user ), 0, 16 ),
		'roles'         => array_values( array_map( 'strval', $user->roles ) ),
		'status'        => $status,
		'registered_at' => gmdate( 'Y-m-d\TH:i:s\Z', (int) strtotime( $user->user_registered . ' UTC' ) ),
	);
}

/**
 * "active" or "suspended". WordPress has no word for it: spam, no role, or no member of this site of
 * a network is suspended; whoever keeps it elsewhere answers the filter momentry_user_status.
 */
function status_of( \WP_User $user ): string {
	$is_out = is_elsewhere( $user ) || array() === $user->roles || 0 !== (int) $user->user_status || ! empty( $user->spam ) || ! empty( $user->deleted );
	/**
	 * May this user use what momentry gives?
	 *
	 * @param string   $status "active" or "suspended".
	 * @param \WP_User $user   The user.
	 */
	$status = apply_filters( 'momentry_user_status', $is_out ? 'suspended' : 'active', $user );
	return 'active' === $status ? 'active' : 'suspended';
}

/** A user of the network, but not of this site. */
function is_elsewhere( \WP_User $user ): bool {
	return is_multisite() && ! is_user_member_of_blog( $user->ID );
}

/** No member, unless momentry was told of them before. */
function is_nobody_here( \WP_User $user ): bool {
	return is_excluded( $user ) || is_elsewhere( $user );
}

function is_excluded( \WP_User $user ): bool {
	return array() !== array_intersect( $user->roles, excluded_roles() );
}

/** Names and roles are user meta, which clean_user_cache() of WordPress 6.1 leaves in the cache. */
function forget_cached( int $user_id ): void {
	clean_user_cache( $user_id );
	wp_cache_delete( $user_id, 'user_meta' );
}

/** Was this user ever told of? */
function was_sent( int $user_id ): bool {
	return '' !== (string) get_user_meta( $user_id, SENT, true );
}

/**
 * Queue the user as it is in the database now, unless momentry knows this already.
 *
 * The lock makes sequences tell the truth: whoever reads later also writes later.
 */
function queue_user( int $user_id, string $type, bool $is_forced = false ): bool {
	$is_locked = take_lock( "u$user_id", 5 );
	try {
		forget_cached( $user_id );
		$user = get_userdata( $user_id );
		if ( ! $user || ( is_nobody_here( $user ) && ! was_sent( $user_id ) ) ) {
			return false;
		}
		$data = snapshot( $user, is_excluded( $user ) ? 'suspended' : status_of( $user ) );
		$mark = hash( 'sha256', (string) wp_json_encode( $data ) );
		if ( ! $is_forced && get_user_meta( $user_id, SENT, true ) === $mark ) {
			return false;
		}
		if ( ! add_event( $user_id, $type, $data ) ) {
			return false;
		}
		update_user_meta( $user_id, SENT, $mark );
		return true;
	} finally {
		if ( $is_locked ) {
			free_lock( "u$user_id" );
		}
	}
}
