"""Validators that models share."""

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from momentry.common.egress.hosts import BadHostError, check_host
from momentry.common.egress.rules import Kind


def validate_base_url(text: str) -> None:
    """``http(s)://host[:port][/path]``: bare container names pass; user, query, fragment do not,
    nor an address that the gateway would not dial (EGRESS_ALLOW lists the exceptions)."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValidationError("This is not a URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValidationError("Enter an address that begins with http:// or https:// and a host.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValidationError("No user, query or fragment in the address.")
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ValidationError("Printable ASCII without spaces or backslashes only.")
    if "[" in parts.netloc and ":" not in parts.hostname:  # IPvFuture, RFC 3986 §3.2.2
        raise ValidationError("Only an IPv6 address stands in brackets.")
    try:
        check_host(parts.hostname, Kind.SERVICE, settings.EGRESS_ALLOW.networks)
    except BadHostError as error:
        raise ValidationError(str(error)) from None


def validate_network(text: str) -> None:
    """A CIDR in its canonical form, such as 192.0.2.0/24 or 2001:db8::/32: host bits are zero. A
    zone means something to one machine only, and PostgreSQL knows none."""
    if "%" in text:
        raise ValidationError("A network has no zone: leave out % and what follows it.")
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValidationError("This is not a network in CIDR form.") from None
    if str(network) != text:
        raise ValidationError(f"Write it as {network}.")
