"""May this address be dialled for this purpose? Pure: no look-up, no setting."""

from collections.abc import Sequence
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address, ip_address

from momentry.common.egress.embedded import embedded
from momentry.common.egress.networks import DIALLED_V6, NEVER, NOT_PUBLIC, Network

Address = IPv4Address | IPv6Address


class Kind(Enum):
    """What the connection is for, and so who could choose the address."""

    SERVICE = auto()  # an upstream or an integration, set by staff: private and loopback too
    WEBHOOK = auto()  # an endpoint that a member names: public ones only


def refusal(address: Address, kind: Kind, listed: Sequence[Network] = ()) -> str:
    """Why it may not be dialled, in a few words; "" when it may. ``listed``: networks in which
    everything may. An address that carries another is judged by both."""
    if is_in(address, listed):
        return ""
    if isinstance(address, IPv6Address):
        for inner in embedded(address):
            if why := refusal(inner, kind, listed):
                return f"it leads to {inner}: {why}"
    return own_refusal(address, kind)


def own_refusal(address: Address, kind: Kind) -> str:
    for why, networks in NEVER:
        if is_in(address, networks):
            return why
    if address.version == 6 and not is_in(address, DIALLED_V6):
        return "reserved"
    if kind is Kind.WEBHOOK and is_in(address, NOT_PUBLIC):
        return "not public"
    return ""


def is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def refusal_of(text: str, kind: Kind, listed: Sequence[Network] = ()) -> str:
    """The same of an address as a resolver writes it; a zone (``%eth0``) changes nothing."""
    try:
        address = ip_address(text)
    except ValueError:
        return "not an address"
    return refusal(address, kind, listed)
