<?php
/**
 * Signed requests to momentry: Standard Webhooks 1.0.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

const WEBHOOK = '/api/v1/webhooks/wordpress';

/** What came of one request. status 0: nobody answered. */
final class Answer {
	/** @var int */
	public $status = 0;
	/** @var string */
	public $text = '';
	/** @var array */
	public $data = array();
	/** @var int Seconds momentry asks to wait. */
	public $retry_after = 0;
}

/** One signature for each secret: while they are exchanged, momentry may know either. */
function signature_of( string $event_id, int $timestamp, string $body ): string {
	$signatures = array();
	foreach ( signing_keys() as $key ) {
		$signatures[] = 'v1,' . base64_encode( hash_hmac( 'sha256', "$event_id.$timestamp.$body", $key, true ) );
	}
	return implode( ' ', $signatures );
}

/**
 * One signed POST. Not wp_safe_remote_post(): it refuses 127.0.0.1, and momentry may live beside
 * WordPress; only staff who may manage options choose the address. Redirects are not followed.
 */
function signed_post( string $path, string $event_id, string $body, int $seconds, int $attempt = 1 ): Answer {
	$now      = time();
	$response = wp_remote_post(
		base_url() . $path,
		array(
			'body'                => $body,
			'timeout'             => $seconds,
			'redirection'         => 0,
			'httpversion'         => '1.1',
			'limit_response_size' => 262144,
			'user-agent'          => 'momentry-provisioning/' . VERSION . '; WordPress/' . get_bloginfo( 'version' ),
			'headers'             => array(
				'Content-Type'      => 'application/json',
				'webhook-id'        => $event_id,
				'webhook-timestamp' => (string) $now,
				'webhook-signature' => signature_of( $event_id, $now, $body ),
				'webhook-attempt'   => (string) $attempt,
			),
		)
	);
	return read_answer( $response );
}

/** @param array|\WP_Error $response What WordPress's HTTP says. */
function read_answer( $response ): Answer {
	$answer = new Answer();
	if ( is_wp_error( $response ) ) {
		$answer->text = $response->get_error_message();
		return $answer;
	}
	$answer->status = (int) wp_remote_retrieve_response_code( $response );
	$data           = json_decode( wp_remote_retrieve_body( $response ), true );
	if ( is_array( $data ) ) {
		$answer->data = $data;
	}
	$answer->text = text_of( $answer->data );
	$wait         = wp_remote_retrieve_header( $response, 'retry-after' );
	if ( is_string( $wait ) && ctype_digit( $wait ) ) {
		$answer->retry_after = (int) $wait;
	}
	return $answer;
}

/** momentry's own words of what is wrong (RFC 9457), such as "invalid_input: …". */
function text_of( array $problem ): string {
	$words = array();
	foreach ( array( 'code', 'detail' ) as $name ) {
		if ( isset( $problem[ $name ] ) && is_string( $problem[ $name ] ) ) {
			$words[] = $problem[ $name ];
		}
	}
	foreach ( array_slice( (array) ( $problem['errors'] ?? array() ), 0, 3 ) as $error ) {
		if ( is_array( $error ) ) {
			$words[] = (string) ( $error['pointer'] ?? '' ) . ' ' . (string) ( $error['detail'] ?? '' );
		}
	}
	return implode( ': ', $words );
}
