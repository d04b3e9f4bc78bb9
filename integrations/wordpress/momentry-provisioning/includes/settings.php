<?php
/**
 * What staff set, read in one place. Constants of wp-config.php win over the settings page.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

const SHORTEST_SECRET = 24; // Bytes: the least and the most Standard Webhooks allows.
const LONGEST_SECRET  = 64;

/** Where momentry is reached, without a slash at the end; "" while it is not set. */
function base_url(): string {
	$url = defined( 'MOMENTRY_URL' ) ? MOMENTRY_URL : get_option( 'momentry_url', '' );
	return untrailingslashit( (string) $url );
}

/** The key of a secret (whsec_ and base64 of 24 to 64 bytes), or "" when it is none. */
function key_of( string $secret ): string {
	$text = 0 === strpos( $secret, 'whsec_' ) ? substr( $secret, 6 ) : $secret;
	$key  = base64_decode( $text, true );
	if ( false === $key || strlen( $key ) < SHORTEST_SECRET || strlen( $key ) > LONGEST_SECRET ) {
		return '';
	}
	return $key;
}

/** The keys to sign with: the current one, and the one before while the two are exchanged. */
function signing_keys(): array {
	return array_values( array_filter( array( key_of( secret( 'secret' ) ), key_of( secret( 'secret_previous' ) ) ) ) );
}

function secret( string $name ): string {
	$constant = 'secret' === $name ? 'MOMENTRY_WEBHOOK_SECRET' : 'MOMENTRY_WEBHOOK_SECRET_PREVIOUS';
	return (string) ( defined( $constant ) ? constant( $constant ) : get_option( "momentry_$name", '' ) );
}

function is_configured(): bool {
	return '' !== base_url() && array() !== signing_keys();
}

/** Roles whose users are no members. */
function excluded_roles(): array {
	return array_values( array_filter( (array) get_option( 'momentry_excluded_roles', array() ), 'is_string' ) );
}

/** The URL as it is kept, or "" when it is none: http or https, a host, no query and no user. */
function clean_url( string $url ): string {
	$url   = untrailingslashit( esc_url_raw( trim( $url ), array( 'http', 'https' ) ) );
	$parts = wp_parse_url( $url );
	if ( empty( $parts['scheme'] ) || empty( $parts['host'] ) ) {
		return '';
	}
	foreach ( array( 'user', 'pass', 'query', 'fragment' ) as $part ) {
		if ( isset( $parts[ $part ] ) ) {
			return '';
		}
	}
	return $url;
}

/** Would the secret's signatures and the members' keys travel readable? Not to this very machine. */
function is_readable_on_the_way( string $url ): bool {
	$host = (string) wp_parse_url( $url, PHP_URL_HOST );
	return 'http' === wp_parse_url( $url, PHP_URL_SCHEME ) && ! in_array( $host, array( 'localhost', '127.0.0.1', '[::1]' ), true );
}

/** What went wrong last, for the settings page: array of time, status and text; empty when nothing did. */
function last_error(): array {
	return (array) get_option( 'momentry_last_error', array() );
}

function remember_error( int $status, string $text ): void {
	$error = array(
		'time'   => time(),
		'status' => $status,
		'text'   => substr( $text, 0, 300 ),
	);
	update_option( 'momentry_last_error', $error, false );
}
