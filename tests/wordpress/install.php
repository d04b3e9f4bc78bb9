<?php
// What a person does on the first pages of a new WordPress; prints the application password.
define( 'WP_INSTALLING', true );
require __DIR__ . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
list( , $url, $password ) = $argv;
$_SERVER['HTTP_HOST'] = parse_url( $url, PHP_URL_HOST ) . ':' . parse_url( $url, PHP_URL_PORT );
wp_install( 'Site', 'root', 'root@example.org', false, '', $password );
update_option( 'siteurl', $url );
update_option( 'home', $url );
update_option( 'permalink_structure', '/%postname%/' );
update_option( 'active_plugins', array() );
switch_theme( 'plain' );
$made = WP_Application_Passwords::create_new_application_password( 1, array( 'name' => 'momentry' ) );
echo $made[0];
