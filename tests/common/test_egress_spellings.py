"""SSR-01, SSR-03: no spelling of a forbidden address is saved. libc is the judge of spellings."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from momentry.common.egress.allowed import read_allowed
from momentry.common.egress.rules import Kind, refusal
from momentry.common.env import Environment
from momentry.common.validators import validate_base_url

METADATA = "169.254.169.254"
FORBIDDEN = st.sampled_from(
    ["169.254.169.254", "0.0.0.0", "100.100.100.200", "224.0.0.1", "255.255.255.255", "240.1.2.3",
     "168.63.129.16", "169.254.0.1"]
).map(IPv4Address)  # fmt: skip
FORBIDDEN_V6 = st.sampled_from(
    ["fe80::1", "::", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254", "2002:a9fe:a9fe::",
     "64:ff9b::a9fe:a9fe", "::169.254.169.254"]
).map(IPv6Address)  # fmt: skip
BASES = (str, lambda number: f"0{number:o}", lambda number: f"000{number:o}", hex,
         lambda number: f"0X{number:X}", lambda number: f"0x000{number:x}")  # fmt: skip

LETTERS = "0123456789abcdefxX."


def is_saved(host: str) -> bool:
    try:
        validate_base_url(f"http://{host}:8080/v1")
    except ValidationError:
        return False
    return True


@st.composite
def spelt(draw: st.DrawFn) -> str:
    """One to four numbers, each in any base; the last one takes the bytes that are left."""
    number = int(draw(FORBIDDEN))
    count = draw(st.integers(1, 4))
    heads = [number >> 24 - 8 * place & 255 for place in range(count - 1)]
    numbers = [*heads, number & (1 << 8 * (5 - count)) - 1]
    return ".".join(draw(st.sampled_from(BASES))(each) for each in numbers)


@given(spelt())
def test_no_spelling_that_inet_aton_reads_is_saved(host: str) -> None:
    assert refusal(IPv4Address(socket.inet_aton(host)), Kind.SERVICE)

    assert not is_saved(host)


@st.composite
def misspelt(draw: st.DrawFn) -> str:
    """A spelling with a character more or less."""
    text = draw(spelt())
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.text(LETTERS, max_size=2)) + text[place + draw(st.booleans()) :]


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # most texts are no address at all
@given(st.one_of(misspelt(), st.text(LETTERS, max_size=20)))
def test_no_text_that_inet_aton_reads_as_a_forbidden_address_is_saved(host: str) -> None:
    try:
        address = IPv4Address(socket.inet_aton(host))
    except OSError:
        assume(False)
    assume(refusal(address, Kind.SERVICE))

    assert not is_saved(host)


@given(FORBIDDEN_V6, st.booleans(), st.sampled_from(["", "%1", "%lo", "%25lo"]), st.integers(0, 3))
def test_no_spelling_that_getaddrinfo_reads_is_saved(
    address: IPv6Address, upper: bool, zone: str, form: int
) -> None:
    low = int(address) & 0xFFFFFFFF
    dotted = address.exploded[:30] + str(IPv4Address(low))
    text = (str(address), address.exploded, dotted, address.exploded.replace(":0", ":"))[form]
    text = text.upper() if upper else text
    told = socket.getaddrinfo(text, None, flags=socket.AI_NUMERICHOST)
    assert ip_address(told[0][4][0].partition("%")[0]) in (address, address.ipv4_mapped)

    assert not is_saved(f"[{text}{zone}]")


@pytest.mark.parametrize(
    "host",
    [METADATA, f"{METADATA}.", "2852039166", "2852039166.", "0xA9FEA9FE", "169.254.43518",
     "169.16689662", "0251.0376.0251.0376", "0251.00376.000251.0000376", "425.510.425.510",
     "7147006462", "0x41414141A9FEA9FE", "0169.0254.0169.0254", "0", "0.0", "00.0x0", "0x",
     "1.2.3.4.5", "256.256.256.256", "%31%36%39.254.169.254", "169%2e254%2E169.254",
     "169.254.169.254%00", "\uff11\uff16\uff19.254.169.254", "169\u3002254\u3002169\u3002254",
     "169\uff0e254\uff0e169\uff0e254", "\u2460\u2465\u2468.254.169.254", "[169.254.169.254]",
     "[::ffff:a9fe:a9fe]", "[::FFFF:169.254.169.254]", "[0:0:0:0:0:ffff:a9fe:a9fe]",
     "[fe80::1%eth0]", "[fe80::1%25eth0]", "[v1.a9fe]", "[v1.fe80::1]", "[]", "a..b", ".", "..",
     ".a", "a,b", "a;b", "a*b", "a" * 64, ".".join(["a" * 60] * 5), "user@a", "user:secret@a",
     "@a", "a@169.254.169.254"],
)  # fmt: skip
def test_neither_forbidden_addresses_nor_what_is_no_host_are_saved(host: str) -> None:
    assert not is_saved(host)


@pytest.mark.parametrize(
    "scheme", ["ftp", "file", "gopher", "ws", "wss", "unix", "data", "dict", ""]
)
def test_only_http_and_https_are_saved(scheme: str) -> None:
    with pytest.raises(ValidationError):
        validate_base_url(f"{scheme}://api.example.org/")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.0.0.7", "[::1]", "[fd12:3456::1]", "[::ffff:10.0.0.1]", "video-engine",
     "web_1", "API.Example.org", "api.example.org.", "xn--bcher-kva.example.org", "node.1",
     "1.node", "0x7f.example.org", "metadata.google.internal", "localhost", "8.8.8.8",
     "203.0.113.9"],
)  # fmt: skip
def test_names_and_other_addresses_are_saved(host: str) -> None:
    assert is_saved(host)


def test_the_refusal_says_what_is_wrong() -> None:
    with pytest.raises(ValidationError, match=f"sent to {METADATA}: a metadata address"):
        validate_base_url(f"http://{METADATA}/")
    with pytest.raises(ValidationError, match="four decimal numbers"):
        validate_base_url("http://127.1/")


def test_a_listed_network_is_saved_in_its_own_spelling(settings) -> None:
    settings.EGRESS_ALLOW = read_allowed(Environment({"EGRESS_ALLOW": "169.254.7.0/24"}))

    assert is_saved("169.254.7.9")
    assert not is_saved("169.254.8.9")
    assert not is_saved("0xa9fe0709")
