"""Who the client is: its address, scheme and host, as far as trusted proxies may say so."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from apikeys.gate.addresses import parse_address
from proxy.gateway.head import HOST, Fields

LOCAL: Final = "127.0.0.1"  # the peer of a unix socket has no address
MAX_REMEMBERED: Final = 10_000
SCHEMES: Final = frozenset((b"http", b"https"))


@dataclass(frozen=True, slots=True)
class Client:
    """What the forwarding fields of everything we send on will say."""

    address: str
    scheme: bytes  # b"http" | b"https"
    host: bytes


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


def client_address(peer: str, headers: Fields, trusted: TrustedNetworks) -> str:
    """X-Forwarded-For is walked right to left while the hop is trusted; garbage ends the walk."""
    hop = peer_address(peer)
    if hop not in trusted:
        return hop
    lines = [value for name, value in headers if name == b"x-forwarded-for"]
    for text in reversed(b",".join(lines).decode("latin-1").split(",")):
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
        host, _, port = text[1:].partition("]:" if "]:" in text else "]")
        return host if port.isdecimal() or text.endswith("]") else ""
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host if port.isdecimal() else ""
    return text


def describe_client(peer: str, headers: Fields, host: bytes, trusted: TrustedNetworks) -> Client:
    """Scheme and host are the front's word only when the peer itself is trusted."""
    if peer_address(peer) not in trusted:
        return Client(peer_address(peer), b"http", host)
    scheme = last_member(headers, b"x-forwarded-proto").lower()
    forwarded = last_member(headers, b"x-forwarded-host")
    return Client(
        client_address(peer, headers, trusted),
        scheme if scheme in SCHEMES else b"http",
        forwarded if HOST.fullmatch(forwarded) else host,
    )


def last_member(headers: Fields, wanted: bytes) -> bytes:
    """The member that the nearest proxy wrote."""
    values = [value for name, value in headers if name == wanted]
    return values[-1].rpartition(b",")[2].strip(b" \t") if values else b""
