"""The host of an address that somebody wants to save: its spelling and, without a look-up, its
address. Pure.

One spelling per IPv4 address is taken, four decimal numbers: libc also reads 127.1, 0x7f.1,
0177.0.0.1 and 2130706433 (inet_aton(3)), other readers wrap or round, and no two agree.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from momentry.common.egress.networks import Network
from momentry.common.egress.rules import Address, Kind, refusal

LABEL: Final = r"[A-Za-z0-9_-]{1,63}"  # RFC 1123, and the underscores of container names
NAME: Final = re.compile(rf"{LABEL}(?:\.{LABEL})*\.?")
NAME_LENGTH: Final = 253  # RFC 1035 §2.3.4, as text
NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


class BadHostError(ValueError):
    """``str()`` is one sentence for a person."""


def is_name(host: str) -> bool:
    """A host name, and no number that a resolver might take for an address."""
    if not NAME.fullmatch(host) or len(host.removesuffix(".")) > NAME_LENGTH:
        return False
    return not all(NUMBER.fullmatch(label) for label in host.removesuffix(".").split("."))


def address_of(host: str) -> Address | None:
    """None for a name. ``host`` without brackets. Raises BadHostError for what is neither."""
    try:
        return IPv6Address(host) if ":" in host else IPv4Address(host)
    except ValueError:
        pass
    if is_name(host):
        return None
    if NAME.fullmatch(host) and len(host) <= NAME_LENGTH:
        raise BadHostError("Write an IPv4 address as four decimal numbers, such as 192.0.2.1.")
    raise BadHostError("The host is neither a host name nor an IP address.")


def check_host(host: str, kind: Kind, listed: Sequence[Network] = ()) -> None:
    """Raises BadHostError for an address that would not be dialled; names are judged by what
    they lead to when somebody connects."""
    address = address_of(host)
    if address is not None and (why := refusal(address, kind, listed)):
        raise BadHostError(f"Nothing may be sent to {address}: {why}.")
