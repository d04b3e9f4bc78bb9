"""Where this service may connect to: rules on addresses, hosts, exceptions. It dials nobody."""
