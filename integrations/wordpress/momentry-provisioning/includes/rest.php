<?php
/**
 * What momentry is told of a user, in the REST API too: its nightly comparison asks there.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

function add_rest_field(): void {
	register_rest_field(
		'user',
		'momentry_status',
		array(
			'get_callback' => __NAMESPACE__ . '\rest_status',
			'schema'       => array(
				'type'     => 'string',
				'enum'     => array( 'active', 'suspended', 'excluded' ),
				'context'  => array( 'edit' ),
				'readonly' => true,
			),
		)
	);
}

function rest_status( array $shown ): string {
	$user = get_userdata( (int) $shown['id'] );
	if ( ! $user ) {
		return 'suspended';
	}
	return is_excluded( $user ) ? 'excluded' : status_of( $user );
}

add_action( 'rest_api_init', __NAMESPACE__ . '\add_rest_field' );
