"""IPv4 addresses inside IPv6 ones: whoever dials the outer one may reach the inner. Pure."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Final

LAST: Final = (  # the low 32 bits are the IPv4 address
    IPv6Network("::ffff:0:0/96"),  # mapped, RFC 4291
    IPv6Network("::ffff:0:0:0/96"),  # translated, RFC 2765
    IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052
)
COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291, but for :: and ::1
SIX_TO_FOUR: Final = IPv6Network("2002::/16")  # RFC 3056
TEREDO: Final = IPv6Network("2001::/32")  # RFC 4380: the server, and the client turned over
ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: the upper half of the interface's number
ONES: Final = 0xFFFF_FFFF


def embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """None for an ordinary address, two for Teredo."""
    number = int(address)
    low = number & ONES
    if any(address in network for network in LAST) or (address in COMPATIBLE and number > 1):
        yield IPv4Address(low)
    if address in SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & ONES)
    if address in TEREDO:
        yield IPv4Address(number >> 64 & ONES)
        yield IPv4Address(low ^ ONES)
    if number >> 32 & ONES in ISATAP:
        yield IPv4Address(low)
