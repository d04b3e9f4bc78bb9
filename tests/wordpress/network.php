<?php
// Makes a network of the site, as wp-admin's page does; prints nothing.
require __DIR__ . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/network.php';
$domain = parse_url( get_option( 'siteurl' ), PHP_URL_HOST ) . ':' . parse_url( get_option( 'siteurl' ), PHP_URL_PORT );
foreach ( $wpdb->tables( 'ms_global' ) as $name => $table ) {
	$wpdb->$name = $table;
}
install_network();
populate_network( 1, $domain, 'root@example.org', 'Network', '/', false );
$config   = __DIR__ . '/wp-config.php';
$settings = "<?php define( 'MULTISITE', true ); define( 'SUBDOMAIN_INSTALL', false ); define( 'DOMAIN_CURRENT_SITE', '$domain' ); define( 'PATH_CURRENT_SITE', '/' ); define( 'SITE_ID_CURRENT_SITE', 1 ); define( 'BLOG_ID_CURRENT_SITE', 1 );";
file_put_contents( $config, $settings . substr( file_get_contents( $config ), 5 ) );
