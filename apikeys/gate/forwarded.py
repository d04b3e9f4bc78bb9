"""Whose request a proxy hands on: the client's address, as far as trusted proxies may say so. Pure.

The gateway and, without one, Django follow the same rule.
"""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

from apikeys.gate.addresses import parse_address

LOCAL: Final = "127.0.0.1"  # the peer of a unix socket has no address
MAX_REMEMBERED: Final = 10_000


class TrustedNetworks:
    """Addresses and CIDR networks whose forwarding fields are believed (TRUSTED_PROXIES).

    Raises ValueError for text that is neither. Remembers its answers: peers are few.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self.networks = tuple(ip_network(text.strip(), strict=False) for text in networks)
        self.known: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        answer = self.known.get(address)
        if answer is None:
            parsed = parse_address(address)
            answer = parsed is not None and any(parsed in network for network in self.networks)
            if len(self.known) >= MAX_REMEMBERED:
                self.known.clear()
            self.known[address] = answer
        return answer


def peer_address(peer: str) -> str:
    """The socket's other end in canonical form."""
    if ":" not in peer:
        return peer or LOCAL
    return str(parse_address(peer) or peer)


def client_address(peer: str, forwarded: str, trusted: TrustedNetworks) -> str:
    """``forwarded``: all of X-Forwarded-For, joined by commas in their order. It is walked right
    to left while the hop is trusted; garbage ends the walk."""
    hop = peer_address(peer)
    if hop not in trusted:
        return hop
    for text in reversed(forwarded.split(",")):
        parsed = parse_address(without_port(text.strip(" \t")))
        if parsed is None:
            return hop
        hop = str(parsed)
        if hop not in trusted:
            return hop
    return hop


def without_port(text: str) -> str:
    """192.0.2.1:443, [2001:db8::1]:443 and [2001:db8::1] name a host; bare IPv6 has no port."""
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        is_port = port.startswith(":") and port[1:].isdecimal()
        return host if closed and (is_port or not port) else ""
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host if port.isdecimal() else ""
    return text
