/* The block momentry/account in the editor: a place holder, as its content is each reader's own. */
( function ( blocks, element, i18n ) {
	blocks.registerBlockType( 'momentry/account', {
		apiVersion: 2,
		title: i18n.__( 'momentry account', 'momentry-provisioning' ),
		description: i18n.__( 'Quota, usage and keys of whoever looks at the page.', 'momentry-provisioning' ),
		icon: 'admin-network',
		category: 'widgets',
		supports: { html: false, multiple: false },
		edit: function () {
			return element.createElement( 'p', null, i18n.__( 'Quota, usage and keys of whoever looks at the page.', 'momentry-provisioning' ) );
		},
		save: function () {
			return null;
		},
	} );
} )( window.wp.blocks, window.wp.element, window.wp.i18n );
