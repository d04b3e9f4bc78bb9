<?php
/**
 * Settings → momentry. Secrets go in and never come out.
 *
 * @package momentry-provisioning
 */

namespace Momentry\Provisioning;

defined( 'ABSPATH' ) || exit;

function add_page(): void {
	add_options_page( 'momentry', 'momentry', 'manage_options', PAGE, __NAMESPACE__ . '\show_page' );
}

function show_page(): void {
	if ( ! current_user_can( 'manage_options' ) ) {
		return;
	}
	echo '<div class="wrap"><h1>momentry</h1>';
	show_notice();
	open_form( 'save' );
	echo '<table class="form-table" role="presentation">';
	show_url();
	show_secret( 'secret', __( 'Secret', 'momentry-provisioning' ), __( 'whsec_ and base64, the same as in momentry. A new one makes the one in use the previous one; both sign until you forget that.', 'momentry-provisioning' ) );
	show_secret( 'secret_previous', __( 'Previous secret', 'momentry-provisioning' ), __( 'Only while secrets are exchanged.', 'momentry-provisioning' ) );
	show_roles();
	echo '</table>';
	submit_button( __( 'Save', 'momentry-provisioning' ) );
	echo '</form>';
	show_outbox();
	echo '</div>';
}

function show_notice(): void {
	$name   = 'momentry_notice_' . get_current_user_id();
	$notice = get_transient( $name );
	if ( is_array( $notice ) ) {
		delete_transient( $name );
		printf( '<div class="notice notice-%s"><p>%s</p></div>', esc_attr( $notice[0] ), esc_html( $notice[1] ) );
	}
}

function open_form( string $action ): void {
	printf( '<form method="post" action="%s" autocomplete="off">', esc_url( admin_url( 'admin-post.php' ) ) );
	printf( '<input type="hidden" name="action" value="momentry_%s">', esc_attr( $action ) );
	wp_nonce_field( "momentry_$action" );
}

function show_url(): void {
	printf(
		'<tr><th scope="row"><label for="momentry_url">%s</label></th><td><input type="url" class="regular-text code" id="momentry_url" name="momentry_url" value="%s" placeholder="https://momentry.example.org"%s></td></tr>',
		esc_html__( 'Address of momentry', 'momentry-provisioning' ),
		esc_attr( base_url() ),
		defined( 'MOMENTRY_URL' ) ? ' disabled' : ''
	);
}

function show_secret( string $name, string $label, string $help ): void {
	$is_set = '' !== secret( $name );
	printf(
		'<tr><th scope="row"><label for="momentry_%1$s">%2$s</label></th><td><input type="password" class="regular-text code" id="momentry_%1$s" name="momentry_%1$s" value="" autocomplete="new-password" placeholder="%3$s"><p class="description">%4$s</p>',
		esc_attr( $name ),
		esc_html( $label ),
		$is_set ? esc_attr__( 'Set. Leave empty to keep it.', 'momentry-provisioning' ) : '',
		esc_html( $help )
	);
	if ( 'secret_previous' === $name && $is_set ) {
		printf( '<p><label><input type="checkbox" name="momentry_forget_previous" value="1"> %s</label></p>', esc_html__( 'Forget the previous secret', 'momentry-provisioning' ) );
	}
	echo '</td></tr>';
}

function show_roles(): void {
	printf( '<tr><th scope="row">%s</th><td><fieldset>', esc_html__( 'Roles that are no members', 'momentry-provisioning' ) );
	foreach ( wp_roles()->get_names() as $role => $label ) {
		printf(
			'<label><input type="checkbox" name="momentry_roles[]" value="%s"%s> %s</label><br>',
			esc_attr( $role ),
			checked( in_array( $role, excluded_roles(), true ), true, false ),
			esc_html( translate_user_role( $label ) )
		);
	}
	printf( '</fieldset><p class="description">%s</p></td></tr>', esc_html__( 'A member who gets such a role is suspended in momentry.', 'momentry-provisioning' ) );
}

function show_outbox(): void {
	$waiting = waiting_count();
	printf( '<h2>%s</h2><table class="widefat striped" style="max-width:50em"><tbody>', esc_html__( 'Outbox', 'momentry-provisioning' ) );
	show_line( __( 'Waiting', 'momentry-provisioning' ), $waiting > 0 ? sprintf( '%d (%s)', $waiting, human_time_diff( waiting_since() ) ) : '0' );
	show_line( __( 'Refused and dropped', 'momentry-provisioning' ), (string) (int) get_option( 'momentry_dropped', 0 ) );
	show_line( __( 'Last error', 'momentry-provisioning' ), error_line() );
	if ( array() !== backfill_state() ) {
		show_line( __( 'Back-fill', 'momentry-provisioning' ), sprintf( '%d…', backfill_state()['queued'] ) );
	}
	echo '</tbody></table><p></p>';
	show_button( 'test', __( 'Test the connection', 'momentry-provisioning' ) );
	show_button( 'send', __( 'Send now', 'momentry-provisioning' ) );
	show_button( 'backfill', __( 'Send all users', 'momentry-provisioning' ) );
	printf( '<p class="description">%s</p>', esc_html__( 'Send all users: for those who were here before the plugin, and after the database was restored from a copy. Users momentry does not know yet become members and get a welcome mail.', 'momentry-provisioning' ) );
}

function show_line( string $label, string $value ): void {
	printf( '<tr><th scope="row">%s</th><td>%s</td></tr>', esc_html( $label ), esc_html( $value ) );
}

function error_line(): string {
	$error = last_error();
	if ( array() === $error ) {
		return '–';
	}
	return sprintf( '%s · HTTP %d · %s', wp_date( 'Y-m-d H:i:s', (int) $error['time'] ), (int) $error['status'], $error['text'] );
}

function show_button( string $action, string $label ): void {
	open_form( $action );
	printf( '<p style="display:inline-block"><button class="button" type="submit">%s</button></p></form>', esc_html( $label ) );
}

add_action( 'admin_menu', __NAMESPACE__ . '\add_page' );
