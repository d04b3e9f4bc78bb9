"""Which addresses may be dialled, for services and for webhooks."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentry.common.egress.rules import Kind, refusal, refusal_of

PUBLIC = ["1.1.1.1", "8.8.8.8", "168.63.129.15", "169.253.255.255", "169.255.0.0",
          "223.255.255.255", "2606:4700::1111", "2a00::1", "::ffff:8.8.8.8",
          "64:ff9b::8.8.8.8"]  # fmt: skip
PRIVATE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "127.255.255.254", "100.64.0.1",
           "100.100.100.201", "198.18.0.1", "192.0.2.1", "203.0.113.7", "::1", "fc00::1",
           "fd12:3456::1", "2001:db8::1", "3fff::1", "::ffff:10.0.0.1", "::127.0.0.1",
           "::ffff:0:127.0.0.1", "2002:7f00:1::", "64:ff9b::10.0.0.1"]  # fmt: skip
NEVER = {
    "a metadata address": [
        "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
        "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42",
        "fd00:a9fe:a9fe::1", "fd00:100::100:200", "fe80::a9fe:a9fe", "fd00:ec2::254%eth0",
    ],
    "link-local": [
        "169.254.0.0", "169.254.255.255", "fe80::1", "febf::1", "fe80::1%eth0", "fe80::1%1",
    ],
    "unspecified": ["0.0.0.0", "0.0.0.1", "0.255.255.255", "::"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1", "ff02::1%eth0"],
    "broadcast": ["255.255.255.255"],
    "reserved": [
        "240.0.0.1", "255.255.255.254", "192.0.0.8", "fec0::1", "100::1", "4000::1", "5f00::1",
        "64:ff9b:1::808:808", "0:0:0:1::", "1::", "fe00::1",
    ],
}  # fmt: skip
INNER = st.sampled_from(
    [IPv4Address(each) for found in NEVER.values() for each in found if ":" not in each]
)


def outer_forms(inner: IPv4Address, rest: int) -> dict[str, int]:
    """IPv6 addresses that lead to this IPv4 address; ``rest``: 64 bits that anybody chooses."""
    number = int(inner)
    return {
        "mapped": 0xFFFF << 32 | number,
        "compatible": number,
        "translated": 0xFFFF << 48 | number,
        "NAT64": 0x64FF9B << 96 | number,
        "6to4": 0x2002 << 112 | number << 80 | rest,
        "Teredo client": 0x20010000 << 96 | 0x08080808 << 64 | (number ^ 0xFFFFFFFF),
        "Teredo server": 0x20010000 << 96 | number << 64 | (0x08080808 ^ 0xFFFFFFFF),
        "ISATAP": 0x20010DB8 << 96 | 0x5EFE << 32 | number,
        "ISATAP, universal": 0x2A00 << 112 | 0x02005EFE << 32 | number,
    }


@pytest.mark.parametrize(
    ("kind", "texts"), [(Kind.SERVICE, PUBLIC + PRIVATE), (Kind.WEBHOOK, PUBLIC)]
)
def test_what_may_be_dialled(kind: Kind, texts: list[str]) -> None:
    assert {text: why for text in texts if (why := refusal_of(text, kind))} == {}


@pytest.mark.parametrize("text", PRIVATE)
def test_a_webhook_goes_to_public_addresses_only(text: str) -> None:
    assert refusal_of(text, Kind.WEBHOOK)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("why", "text"), [(why, text) for why, found in NEVER.items() for text in found]
)
def test_these_are_never_dialled(kind: Kind, why: str, text: str) -> None:
    assert refusal_of(text, kind) == why


@given(INNER, st.integers(0, 2**64 - 1), st.sampled_from(Kind))
def test_nor_any_ipv6_form_of_them(inner: IPv4Address, rest: int, kind: Kind) -> None:
    forms = outer_forms(inner, rest)

    passed = {name for name, number in forms.items() if not refusal(IPv6Address(number), kind)}

    assert passed <= ({"compatible"} if int(inner) == 1 else set())  # ::1 is loopback
    assert kind is Kind.SERVICE or not passed


@given(st.ip_addresses())
def test_a_webhook_may_go_to_no_more_than_the_library_calls_global(
    address: IPv4Address | IPv6Address,
) -> None:
    inner = getattr(address, "ipv4_mapped", None) or address

    if not refusal(address, Kind.WEBHOOK) and inner not in ip_network("64:ff9b::/96"):
        assert inner.is_global
        assert not inner.is_multicast


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f.0.0.1", "1.2.3.4 ", "127.0.0.01", "fe80::1%"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert refusal_of(text, Kind.SERVICE) == "not an address"


@pytest.mark.parametrize(
    ("listed", "text"),
    [("169.254.0.0/16", "169.254.169.254"), ("169.254.169.254/32", "::ffff:169.254.169.254"),
     ("169.254.169.254/32", "64:ff9b::a9fe:a9fe"), ("fe80::/10", "fe80::1%eth0"),
     ("64:ff9b:1::/48", "64:ff9b:1::1"), ("2002:a9fe:a9fe::/48", "2002:a9fe:a9fe::1")],
)  # fmt: skip
def test_a_listed_network_passes_and_its_neighbours_do_not(listed: str, text: str) -> None:
    network = ip_network(listed)

    assert refusal_of(text, Kind.SERVICE, [network]) == ""
    assert refusal_of("0.0.0.0", Kind.SERVICE, [network]) == "unspecified"
    assert refusal_of(text, Kind.SERVICE, [ip_network("192.168.0.0/16")])


def test_a_listed_network_opens_what_is_not_public_for_webhooks() -> None:
    assert refusal(ip_address("10.1.2.3"), Kind.WEBHOOK, [ip_network("10.0.0.0/8")]) == ""
