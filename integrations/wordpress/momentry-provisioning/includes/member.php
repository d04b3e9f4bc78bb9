<?php
/**
 * The member's own page: [momentry_account] and the block momentry/account. WordPress asks momentry,
 * server to server; who is asked for is who is logged in, never what the browser says.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

const MEMBER = WEBHOOK . '/member';

/** The shortcode and the block. Rendered twice in a request, the second shows what the first did. */
function account(): string {
	static $html = null;
	if ( null !== $html ) {
		return $html;
	}
	if ( ! is_user_logged_in() ) {
		return sprintf( '<p class="momentry-login"><a href="%s">%s</a></p>', esc_url( wp_login_url( (string) get_permalink() ) ), esc_html__( 'Log in to see your account.', 'momentry-provisioning' ) );
	}
	never_cache();
	if ( ! is_configured() ) {
		return sprintf( '<p class="momentry-error">%s</p>', esc_html__( 'Your account cannot be shown right now.', 'momentry-provisioning' ) );
	}
	if ( is_admin() || ( defined( 'REST_REQUEST' ) && REST_REQUEST ) ) {
		return sprintf( '<p>%s</p>', esc_html__( 'Quota, usage and keys of whoever looks at the page.', 'momentry-provisioning' ) );
	}
	$done = take_order();
	$html = show_account( ask_momentry( 'show', '', wp_generate_uuid4() ), $done );
	return $html;
}

function never_cache(): void {
	defined( 'DONOTCACHEPAGE' ) || define( 'DONOTCACHEPAGE', true ); // What caching plugins agree on.
	if ( ! headers_sent() ) {
		nocache_headers();
		header( 'Cache-Control: no-store, private, no-cache, must-revalidate, max-age=0' );
	}
}

/** Before the page's first byte, where the content can be seen already. */
function never_cache_page(): void {
	$post = get_post();
	if ( is_singular() && $post && is_user_logged_in() && ( has_shortcode( $post->post_content, 'momentry_account' ) || has_block( 'momentry/account', $post ) ) ) {
		never_cache();
	}
}

/** What the member ordered with a button of this page, done; null when nothing was. */
function take_order(): ?Answer {
	if ( ! isset( $_POST['momentry_do'], $_POST['momentry_key'], $_POST['momentry_once'], $_POST['momentry_nonce'] ) ) {
		return null;
	}
	$action = sanitize_key( wp_unslash( $_POST['momentry_do'] ) );
	$key_id = sanitize_key( wp_unslash( $_POST['momentry_key'] ) );
	$once   = sanitize_key( wp_unslash( $_POST['momentry_once'] ) );
	if ( ! in_array( $action, array( 'rotate', 'claim' ), true ) || ! wp_verify_nonce( sanitize_key( wp_unslash( $_POST['momentry_nonce'] ) ), "momentry_{$action}_$key_id" ) ) {
		$refused       = new Answer();
		$refused->data = array( 'detail' => __( 'The form is too old. Try again.', 'momentry-provisioning' ) );
		return $refused;
	}
	// The same form sent again is the same event: momentry does it once.
	$event_id = 'member-' . hash_hmac( 'sha256', get_current_user_id() . " $action $key_id $once", wp_salt( 'nonce' ) );
	return ask_momentry( $action, $key_id, $event_id );
}

function ask_momentry( string $action, string $key_id, string $event_id ): Answer {
	$question = array(
		'user_id' => get_current_user_id(),
		'action'  => $action,
	);
	if ( '' !== $key_id ) {
		$question['key_id'] = $key_id;
	}
	return signed_post( MEMBER, $event_id, (string) wp_json_encode( $question ), 5 );
}

function register_account(): void {
	add_shortcode( 'momentry_account', __NAMESPACE__ . '\account' );
	wp_register_script( 'momentry-account', plugins_url( 'assets/block.js', FILE ), array( 'wp-blocks', 'wp-element', 'wp-i18n' ), VERSION, true );
	wp_set_script_translations( 'momentry-account', 'momentry-provisioning' );
	register_block_type(
		'momentry/account',
		array(
			'api_version'     => 2,
			'editor_script'   => 'momentry-account',
			'render_callback' => __NAMESPACE__ . '\account',
		)
	);
}

add_action( 'init', __NAMESPACE__ . '\register_account' );
add_action( 'template_redirect', __NAMESPACE__ . '\never_cache_page' );
