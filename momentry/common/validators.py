"""Validators that models share."""

import ipaddress

from django.conf import settings
from django.core.exceptions import ValidationError

from momentry.common.egress.baseurl import fault_of
from momentry.common.egress.rules import Kind


def validate_base_url(text: str) -> None:
    """As momentry.common.egress.baseurl says (EGRESS_ALLOW lists the exceptions)."""
    if fault := fault_of(text, settings.EGRESS_ALLOW.networks):
        raise ValidationError(fault)


def validate_webhook_url(text: str) -> None:
    """Of an endpoint: public addresses only, but for what EGRESS_ALLOW lists."""
    if fault := fault_of(text, settings.EGRESS_ALLOW.networks, kind=Kind.WEBHOOK):
        raise ValidationError(fault)


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
