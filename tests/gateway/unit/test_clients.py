"""Who the client is, and that only trusted proxies may say so (PRX-06)."""

import pytest

from apikeys.gate.forwarded import TrustedNetworks
from proxy.gateway.clients import Client, describe_client

TRUSTED = TrustedNetworks(("10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7"))


def address(peer: str, *forwarded: str) -> str:
    headers = [(b"x-forwarded-for", text.encode()) for text in forwarded]
    return describe_client(peer, headers, b"h", TRUSTED).address


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", "127.0.0.1"),
    ],
)
def test_an_untrusted_peer_is_the_client_whatever_it_says(peer, expected):
    assert address(peer, "1.2.3.4") == expected


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ([], "10.0.0.1"),
        (["198.51.100.1"], "198.51.100.1"),
        (["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        (["1.1.1.1, 198.51.100.1, 10.2.2.2,\t192.0.2.7"], "198.51.100.1"),
        (["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        (["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        (["198.51.100.1:443"], "198.51.100.1"),
        (["[2001:db8::5]:443"], "2001:db8::5"),
        (["[2001:db8::5]"], "2001:db8::5"),
        (["2001:db8::5"], "2001:db8::5"),
        (["::ffff:198.51.100.1"], "198.51.100.1"),
        (["198.51.100.1, 2001:db8:1::9"], "198.51.100.1"),
        (["1.1.1.1, garbage, 10.2.2.2"], "10.2.2.2"),
        (["1.1.1.1, "], "10.0.0.1"),
        (["1.1.1.1, 999.1.1.1"], "10.0.0.1"),
        (["1.1.1.1, unknown"], "10.0.0.1"),
        (["[::1"], "10.0.0.1"),
        (["[::1]x"], "10.0.0.1"),
        (["[2001:db8::5]443"], "10.0.0.1"),
        (["1.2.3.4:x"], "10.0.0.1"),
        (["\u00e4"], "10.0.0.1"),
    ],
)
def test_behind_a_trusted_proxy_the_last_untrusted_hop_is_the_client(forwarded, expected):
    assert address("10.0.0.1", *forwarded) == expected


def test_a_mapped_peer_is_trusted_like_its_ipv4_address():
    assert address("::ffff:10.0.0.1", "198.51.100.1") == "198.51.100.1"


def test_a_unix_socket_is_local_and_trusted_only_when_listed():
    headers = [(b"x-forwarded-for", b"198.51.100.1")]

    known = describe_client("", headers, b"h", TrustedNetworks(("127.0.0.1",)))

    assert describe_client("", headers, b"h", TRUSTED).address == "127.0.0.1"
    assert known.address == "198.51.100.1"


def test_scheme_and_host_are_believed_from_trusted_peers_only():
    headers = [
        (b"x-forwarded-for", b"198.51.100.1"),
        (b"x-forwarded-proto", b"http, HTTPS"),
        (b"x-forwarded-host", b"evil.test"),
        (b"x-forwarded-host", b"public.test:443"),
    ]

    trusted = describe_client("10.0.0.1", headers, b"inner:3002", TRUSTED)
    direct = describe_client("203.0.113.9", headers, b"inner:3002", TRUSTED)

    assert trusted == Client("198.51.100.1", b"https", b"public.test:443")
    assert direct == Client("203.0.113.9", b"http", b"inner:3002")


def test_odd_words_of_a_trusted_peer_are_ignored():
    headers = [(b"x-forwarded-proto", b"javascript"), (b"x-forwarded-host", b"a/b@c")]

    assert describe_client("10.0.0.1", headers, b"h", TRUSTED) == Client("10.0.0.1", b"http", b"h")


@pytest.mark.parametrize("text", ["", "nonsense", "10.0.0.0/33"])
def test_a_bad_network_is_an_error_at_the_start(text):
    with pytest.raises(ValueError, match="does not appear to be"):
        TrustedNetworks((text,))
