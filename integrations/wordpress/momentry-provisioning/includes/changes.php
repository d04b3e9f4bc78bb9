<?php
/**
 * Which users changed in this request. At user_register a user has no roles yet, so ids are collected
 * and each user is told of once, when the request ends.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

/** The ids of this request: user id => type of the event. */
final class Changes {
	/** @var array<int,string> */
	public static $seen = array();
	/** @var array<int,array> Users as they were before they were deleted. */
	public static $gone = array();
}

function user_registered( $user_id ): void {
	Changes::$seen[ (int) $user_id ] = 'user.registered';
}

function user_changed( $user_id ): void {
	$user_id = (int) $user_id;
	if ( $user_id > 0 && ! isset( Changes::$seen[ $user_id ] ) ) {
		Changes::$seen[ $user_id ] = 'user.updated';
	}
}

/** Plugins that disable users do so in user meta; which keys count is a filter's business. */
function meta_changed( $meta_id, $user_id, $key ): void {
	global $wpdb;
	$watched = array( 'first_name', 'last_name', 'locale', $wpdb->get_blog_prefix() . 'capabilities' );
	/**
	 * Keys of user meta whose change is a change of the member.
	 *
	 * @param string[] $watched The keys.
	 */
	if ( in_array( $key, (array) apply_filters( 'momentry_watched_meta', $watched ), true ) ) {
		user_changed( $user_id );
	}
}

/** Before the row goes: afterwards there is nothing to tell of. */
function user_goes( $user_id ): void {
	$user = get_userdata( (int) $user_id );
	if ( $user && ( was_sent( $user->ID ) || ! is_nobody_here( $user ) ) ) {
		Changes::$gone[ (int) $user->ID ] = snapshot( $user, 'deleted' );
	}
	user_changed( $user_id );
}

/** The end of the request. Who is really gone is seen only now: a network only removes from a site. */
function tell_changes(): void {
	$seen          = Changes::$seen;
	Changes::$seen = array();
	foreach ( $seen as $user_id => $type ) {
		forget_cached( $user_id );
		if ( get_userdata( $user_id ) ) {
			queue_user( $user_id, $type );
		} elseif ( isset( Changes::$gone[ $user_id ] ) ) {
			add_event( $user_id, 'user.deleted', Changes::$gone[ $user_id ] );
		}
	}
	if ( array() !== $seen && ! is_peer_resting() ) {
		if ( function_exists( 'fastcgi_finish_request' ) ) {
			fastcgi_finish_request(); // The person has the page; the rest is between the machines.
		}
		deliver( REQUEST_ROWS, REQUEST_SECONDS );
	}
}

add_action( 'user_register', __NAMESPACE__ . '\user_registered' );
foreach ( array( 'profile_update', 'set_user_role', 'add_user_role', 'remove_user_role', 'add_user_to_blog', 'remove_user_from_blog', 'make_spam_user', 'make_ham_user' ) as $momentry_hook ) {
	add_action( $momentry_hook, __NAMESPACE__ . '\user_changed' );
}
foreach ( array( 'added_user_meta', 'updated_user_meta', 'deleted_user_meta' ) as $momentry_hook ) {
	add_action( $momentry_hook, __NAMESPACE__ . '\meta_changed', 10, 3 );
}
add_action( 'delete_user', __NAMESPACE__ . '\user_goes' );
add_action( 'wpmu_delete_user', __NAMESPACE__ . '\user_goes' );
add_action( 'shutdown', __NAMESPACE__ . '\tell_changes', 100 );
