"""Fuzz target: whose request it is, by X-Forwarded-For, -Proto and -Host of trusted proxies.

The first byte chooses the peer; lines of the rest are values of the three fields in turn.
"""

from ipaddress import IPv6Address, ip_address

from apikeys.gate.forwarded import TrustedNetworks, client_address
from proxy.gateway.clients import describe_client
from proxy.gateway.head import HOST

PEERS = ["10.0.0.1", "203.0.113.7", "::1", "::ffff:10.9.9.9", "", "2001:db8::7"]
TRUSTED = ("10.0.0.0/8", "::1", "2001:db8:0:1::/64", "127.0.0.1")
NAMES = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded")

SEEDS = [
    b"\x00203.0.113.9, 10.0.0.2\nhttps\nexample.org:8443",
    b"\x02[2001:db8::1]:443,10.1.1.1:80\nhttp\n[::1]\nfor=1",
    b"\x03::ffff:192.0.2.1%eth0 , ,10.0.0.3\nHTTPS, http",
    b"\x01198.51.100.1",
    b"\x00[2001:db8::1]4, 10.0.0.2",
    b"\x04unknown, _hidden,127.0.0.1",
]
TOKENS = [
    b"10.0.0.1,",
    b"[::1]:80",
    b"::ffff:10.0.0.1",
    b"%lo",
    b":443",
    b"010.0.0.1",
    b"1.2",
    b"]:",
]


def check(data: bytes) -> None:
    peer = PEERS[(data[0] if data else 0) % len(PEERS)]
    lines = data[1:].replace(b"\r", b"").split(b"\n")
    headers = [(NAMES[at % 4], line.strip(b" \t")) for at, line in enumerate(lines)]
    trusted = TrustedNetworks(TRUSTED)
    who = describe_client(peer, headers, b"own.test", trusted)
    hops = b",".join(value for name, value in headers if name == NAMES[0]).decode("latin-1")
    assert who.address == walked(peer, hops)
    assert str(ip_address(who.address)) == who.address
    assert who.scheme in {b"http", b"https"}
    assert who.host == b"own.test" or HOST.fullmatch(who.host)
    if not is_trusted(canonical(peer or "127.0.0.1")):
        assert (who.scheme, who.host) == (b"http", b"own.test")
    else:  # what the proxy itself wrote, last, is believed whatever stands before it
        assert client_address(peer, f"{hops},192.0.2.44", trusted) == "192.0.2.44"


def walked(peer: str, hops: str) -> str:
    """RFC 7239 §5.2's usual reading, once more."""
    at = canonical(peer or "127.0.0.1")
    left = hops.split(",")
    while is_trusted(at) and left:
        nearest = canonical(bare(left.pop().strip(" \t")))
        if not nearest:
            break
        at = nearest
    return at


def bare(text: str) -> str:
    """Without brackets and port."""
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        return host if closed and (not port or (port[0] == ":" and is_number(port[1:]))) else ""
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host if is_number(port) else ""
    return text


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def canonical(text: str) -> str:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def is_trusted(text: str) -> bool:
    if text in {"::1", "127.0.0.1"} or text.startswith("10."):
        return True
    return ":" in text and IPv6Address(text).exploded.startswith("2001:0db8:0000:0001:")
