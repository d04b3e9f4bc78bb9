<?php
/**
 * What the settings page's forms do. Each asks for the capability and the form's own nonce.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

const PAGE    = 'momentry-provisioning';
const ACTIONS = array( 'save', 'test', 'send', 'backfill' );

/** admin-post.php?action=momentry_save and its sisters. */
function act(): void {
	$action = substr( (string) current_action(), strlen( 'admin_post_momentry_' ) );
	if ( ! current_user_can( 'manage_options' ) ) {
		wp_die( esc_html__( 'You are not allowed to do this.', 'momentry-provisioning' ), '', array( 'response' => 403 ) );
	}
	check_admin_referer( "momentry_$action" );
	list( $kind, $text ) = call_user_func( __NAMESPACE__ . "\\act_$action" );
	set_transient( 'momentry_notice_' . get_current_user_id(), array( $kind, $text ), 60 );
	wp_safe_redirect( admin_url( 'options-general.php?page=' . PAGE ) );
	exit;
}

function posted( string $name ): string {
	// phpcs:ignore WordPress.Security.NonceVerification -- act() verified it
	return isset( $_POST[ $name ] ) && is_string( $_POST[ $name ] ) ? trim( wp_unslash( $_POST[ $name ] ) ) : '';
}

function act_save(): array {
	$url = clean_url( posted( 'momentry_url' ) );
	if ( '' === $url && '' !== posted( 'momentry_url' ) ) {
		return array( 'error', __( 'The address must be http:// or https:// with a host, and nothing after a question mark.', 'momentry-provisioning' ) );
	}
	foreach ( array( 'momentry_secret', 'momentry_secret_previous' ) as $name ) {
		if ( '' !== posted( $name ) && '' === key_of( posted( $name ) ) ) {
			return array( 'error', __( 'A secret is whsec_ and base64 of 24 to 64 bytes. Nothing was changed.', 'momentry-provisioning' ) );
		}
	}
	update_option( 'momentry_url', $url, false );
	save_roles();
	save_secrets( posted( 'momentry_secret' ), posted( 'momentry_secret_previous' ) );
	if ( '' === $url || ! is_readable_on_the_way( $url ) ) {
		return array( 'success', __( 'Saved.', 'momentry-provisioning' ) );
	}
	return array( 'warning', __( 'Saved. The address is http://: names, addresses and new keys travel readable. Use https://.', 'momentry-provisioning' ) );
}

/** An empty field keeps what is there. A new secret makes the one in use the previous one. */
function save_secrets( string $current, string $previous ): void {
	if ( '' !== $current && secret( 'secret' ) !== $current ) {
		update_option( 'momentry_secret_previous', get_option( 'momentry_secret', '' ), false );
		update_option( 'momentry_secret', $current, false );
	}
	if ( '' !== $previous ) {
		update_option( 'momentry_secret_previous', $previous, false );
	}
	if ( '1' === posted( 'momentry_forget_previous' ) ) {
		delete_option( 'momentry_secret_previous' );
	}
}

function save_roles(): void {
	// phpcs:ignore WordPress.Security -- act() verified the nonce; only names of known roles are kept
	$given = isset( $_POST['momentry_roles'] ) ? (array) wp_unslash( $_POST['momentry_roles'] ) : array();
	$known = array_keys( wp_roles()->get_names() );
	update_option( 'momentry_excluded_roles', array_values( array_intersect( $known, $given ) ), false );
}

/** A signed ping: momentry answers it and does nothing. */
function act_test(): array {
	if ( ! is_configured() ) {
		return array( 'error', __( 'Set the address and the secret first.', 'momentry-provisioning' ) );
	}
	$answer = signed_post( WEBHOOK, wp_generate_uuid4(), '{"type":"ping"}', 10 );
	return explain( $answer );
}

function explain( Answer $answer ): array {
	if ( 200 === $answer->status && 'pong' === ( $answer->data['status'] ?? '' ) ) {
		return array( 'success', __( 'The connection works: momentry knows this site and its secret.', 'momentry-provisioning' ) );
	}
	if ( 0 === $answer->status ) {
		/* translators: %s: what WordPress says went wrong */
		return array( 'error', sprintf( __( 'Nobody answers at this address: %s', 'momentry-provisioning' ), $answer->text ) );
	}
	if ( 401 === $answer->status && 'signature_invalid' === ( $answer->data['code'] ?? '' ) ) {
		return array( 'error', __( 'momentry is there, but refuses the signature: the secret is not the one momentry has for this site, the site is disabled there, or the clocks differ by more than five minutes.', 'momentry-provisioning' ) );
	}
	if ( $answer->status >= 300 && $answer->status < 400 ) {
		return array( 'error', __( 'The address leads elsewhere (a redirect): give the one it leads to.', 'momentry-provisioning' ) );
	}
	/* translators: 1: HTTP status, 2: the answer's own words */
	return array( 'error', sprintf( __( 'The answer is not what momentry says to a test (HTTP %1$d). %2$s', 'momentry-provisioning' ), $answer->status, $answer->text ) );
}

function act_send(): array {
	if ( ! is_configured() ) {
		return array( 'error', __( 'Set the address and the secret first.', 'momentry-provisioning' ) );
	}
	make_all_due();
	$sent = deliver( 100, 20 );
	if ( 0 === waiting_count() ) {
		/* translators: %d: number of events */
		return array( 'success', sprintf( __( 'Sent: %d. Nothing waits.', 'momentry-provisioning' ), $sent ) );
	}
	/* translators: 1: number sent, 2: number waiting */
	return array( 'warning', sprintf( __( 'Sent: %1$d. Waiting: %2$d.', 'momentry-provisioning' ), $sent, waiting_count() ) );
}

function act_backfill(): array {
	backfill_start();
	if ( backfill_next() ) {
		return array( 'success', __( 'The first users are queued; the others follow, a batch each minute.', 'momentry-provisioning' ) );
	}
	return array( 'success', __( 'All users are queued.', 'momentry-provisioning' ) );
}

foreach ( ACTIONS as $momentry_action ) {
	add_action( "admin_post_momentry_$momentry_action", __NAMESPACE__ . '\act' );
}
