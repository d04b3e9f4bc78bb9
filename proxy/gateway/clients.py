"""Who the client is: its address, scheme and host, as far as trusted proxies may say so."""

from typing import Final, NamedTuple

from apikeys.gate.forwarded import TrustedNetworks, client_address, peer_address
from proxy.gateway.head import HOST, Fields

SCHEMES: Final = frozenset((b"http", b"https"))


class Client(NamedTuple):
    """What the forwarding fields of everything we send on will say."""

    address: str
    scheme: bytes  # b"http" | b"https"
    host: bytes


def describe_client(peer: str, headers: Fields, host: bytes, trusted: TrustedNetworks) -> Client:
    """Scheme and host are the front's word only when the peer itself is trusted."""
    address = peer_address(peer)
    if address not in trusted:
        return Client(address, b"http", host)
    scheme = last_member(headers, b"x-forwarded-proto").lower()
    forwarded = last_member(headers, b"x-forwarded-host")
    return Client(
        client_address(peer, forwarded_for(headers), trusted),
        scheme if scheme in SCHEMES else b"http",
        forwarded if HOST.fullmatch(forwarded) else host,
    )


def forwarded_for(headers: Fields) -> str:
    lines = [value for name, value in headers if name == b"x-forwarded-for"]
    return b",".join(lines).decode("latin-1")


def last_member(headers: Fields, wanted: bytes) -> bytes:
    """The member that the nearest proxy wrote."""
    values = [value for name, value in headers if name == wanted]
    return values[-1].rpartition(b",")[2].strip(b" \t") if values else b""
