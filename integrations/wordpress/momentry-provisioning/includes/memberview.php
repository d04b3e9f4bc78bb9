<?php
/**
 * The member's page as HTML. Everything momentry says is escaped here.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

function show_account( Answer $seen, ?Answer $done ): string {
	$html = '<div class="momentry-account">' . ( null === $done ? '' : show_done( $done ) );
	if ( 200 === $seen->status && is_array( $seen->data['member'] ?? null ) ) {
		$html .= show_state( $seen->data ) . show_storage( (array) ( $seen->data['storage'] ?? array() ) );
		$html .= show_usage( $seen->data ) . show_keys( (array) ( $seen->data['keys'] ?? array() ) );
	} elseif ( 404 === $seen->status && 'not_found' === ( $seen->data['code'] ?? '' ) ) {
		$html .= sprintf( '<p>%s</p>', esc_html__( 'Your account is being made. Look again in a minute.', 'momentry-provisioning' ) );
	} else {
		$html .= sprintf( '<p class="momentry-error">%s</p>', esc_html__( 'Your account cannot be shown right now.', 'momentry-provisioning' ) );
	}
	return $html . '</div>';
}

/** The outcome of a button: a new key, shown this one time. */
function show_done( Answer $done ): string {
	$key = $done->data['api_key'] ?? null;
	if ( 200 === $done->status && is_string( $key ) ) {
		return sprintf(
			'<div class="momentry-new-key" role="status"><p>%s</p><p><code>%s</code></p></div>',
			esc_html__( 'Your new key. It is shown this one time: keep it like a password.', 'momentry-provisioning' ),
			esc_html( $key )
		);
	}
	$text = is_string( $done->data['detail'] ?? null ) ? $done->data['detail'] : '';
	return sprintf(
		'<p class="momentry-error" role="alert">%s %s</p>',
		esc_html__( 'This was not done.', 'momentry-provisioning' ),
		esc_html( $text )
	);
}

function show_state( array $data ): string {
	$status = (string) ( $data['member']['status'] ?? '' );
	if ( 'active' === $status ) {
		return '';
	}
	$text = 'suspended' === $status
		? __( 'Your account is suspended: your keys are refused.', 'momentry-provisioning' )
		: __( 'Your account waits for the staff: your name or address is in use.', 'momentry-provisioning' );
	return sprintf( '<p class="momentry-state">%s</p>', esc_html( $text ) );
}

function show_storage( array $storage ): string {
	$used  = (int) ( $storage['used'] ?? 0 );
	$quota = $storage['quota'] ?? null;
	$text  = null === $quota
		/* translators: %s: a size such as 3 GB */
		? sprintf( __( '%s used, without a limit', 'momentry-provisioning' ), size_format( $used, 1 ) )
		/* translators: 1: size used, 2: size allowed */
		: sprintf( __( '%1$s of %2$s used', 'momentry-provisioning' ), size_format( $used, 1 ), size_format( (int) $quota, 1 ) );
	return sprintf( '<h3>%s</h3><p>%s</p>', esc_html__( 'Storage', 'momentry-provisioning' ), esc_html( $text ) );
}

function show_usage( array $data ): string {
	$usage = (array) ( $data['usage'] ?? array() );
	/* translators: %s: a number */
	$lines = sprintf( '<p>%s</p>', esc_html( sprintf( __( 'Requests this month: %s', 'momentry-provisioning' ), number_format_i18n( (float) ( $usage['total_requests'] ?? 0 ) ) ) ) );
	foreach ( (array) ( $data['limits'] ?? array() ) as $limit ) {
		if ( is_array( $limit ) && isset( $limit['name'], $limit['limit'], $limit['remaining'] ) ) {
			/* translators: 1: name of a limit, 2: what is left, 3: the limit */
			$text   = sprintf( __( '%1$s: %2$s of %3$s left', 'momentry-provisioning' ), $limit['name'], number_format_i18n( (float) $limit['remaining'] ), number_format_i18n( (float) $limit['limit'] ) );
			$lines .= sprintf( '<p>%s</p>', esc_html( $text ) );
		}
	}
	return sprintf( '<h3>%s</h3>%s', esc_html__( 'Usage', 'momentry-provisioning' ), $lines );
}

function show_keys( array $keys ): string {
	$rows = '';
	foreach ( $keys as $key ) {
		if ( is_array( $key ) && isset( $key['id'], $key['key_prefix'] ) ) {
			$rows .= sprintf(
				'<tr><td>%s</td><td><code>%s</code></td><td>%s</td><td>%s</td></tr>',
				esc_html( (string) ( $key['name'] ?? '' ) ),
				esc_html( (string) $key['key_prefix'] ),
				esc_html( (string) ( $key['state'] ?? '' ) ),
				show_key_button( $key )
			);
		}
	}
	return sprintf( '<h3>%s</h3><table class="momentry-keys"><tbody>%s</tbody></table>', esc_html__( 'Keys', 'momentry-provisioning' ), $rows );
}

function show_key_button( array $key ): string {
	$state = $key['state'] ?? '';
	if ( 'unclaimed' === $state ) {
		return button( 'claim', (string) $key['id'], __( 'Show my key', 'momentry-provisioning' ) );
	}
	return 'active' === $state ? button( 'rotate', (string) $key['id'], __( 'New secret', 'momentry-provisioning' ) ) : '';
}

function button( string $action, string $key_id, string $label ): string {
	$fields = array(
		'momentry_do'    => $action,
		'momentry_key'   => sanitize_key( $key_id ),
		'momentry_once'  => wp_generate_uuid4(),
		'momentry_nonce' => wp_create_nonce( "momentry_{$action}_" . sanitize_key( $key_id ) ),
	);
	$html   = '';
	foreach ( $fields as $name => $value ) {
		$html .= sprintf( '<input type="hidden" name="%s" value="%s">', esc_attr( $name ), esc_attr( $value ) );
	}
	return sprintf( '<form method="post">%s<button type="submit">%s</button></form>', $html, esc_html( $label ) );
}
