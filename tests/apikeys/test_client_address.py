"""Without the gateway Django finds the client's address by the gateway's own rule."""

import io

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse

from apikeys.client_address import ClientAddressMiddleware
from apikeys.models import IpRule
from momentry.common.env import ConfigurationError
from tests import make

PROXY = "10.0.0.1"
CLIENT = "198.51.100.1"


@pytest.fixture(autouse=True)
def trusted(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "2001:db8:1::/48"]


def seen(peer: str | None, *lines: str, name: str = "X-Forwarded-For") -> str:
    """REMOTE_ADDR of a request with these lines, as uvicorn hands it over."""
    headers = [(name.lower().encode(), line.encode("latin-1")) for line in lines]
    scope = {
        "type": "http", "method": "GET", "path": "/", "headers": headers, "query_string": b"",
        "client": (peer, 1234) if peer else None,
    }  # fmt: skip
    middleware = ClientAddressMiddleware(lambda found: HttpResponse(found.META["REMOTE_ADDR"]))
    return middleware(ASGIRequest(scope, io.BytesIO())).content.decode()


@pytest.mark.parametrize("peer", ["203.0.113.9", "2001:db8:2::9"])
@pytest.mark.parametrize("line", [CLIENT, "10.0.0.2", "127.0.0.1", "garbage", ""])
def test_nobody_else_may_name_the_client(peer, line):
    assert seen(peer, line) == peer


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], PROXY),
        ([CLIENT], CLIENT),
        ([f"127.0.0.1, {CLIENT}"], CLIENT),
        ([f"127.0.0.1, {CLIENT}, 10.2.2.2"], CLIENT),
        (["127.0.0.1", CLIENT], CLIENT),
        ([CLIENT, "10.2.2.2,\t2001:db8:1::7"], CLIENT),
        ([f"{CLIENT}:443"], CLIENT),
        (["[2001:DB8::5]:443"], "2001:db8::5"),
        (["2001:db8::5"], "2001:db8::5"),
        ([f"::ffff:{CLIENT}"], CLIENT),
        ([f"{CLIENT}, garbage"], PROXY),
        ([f"{CLIENT}, garbage, 10.2.2.2"], "10.2.2.2"),
        ([f"{CLIENT},"], PROXY),
        ([f"{CLIENT}:x"], PROXY),
        (["\u00e4"], PROXY),
    ],
)
def test_behind_a_trusted_proxy_the_last_untrusted_hop_is_the_client(lines, expected):
    assert seen(PROXY, *lines) == expected


def test_a_mapped_peer_is_its_ipv4_address():
    assert seen("::ffff:203.0.113.9", CLIENT) == "203.0.113.9"
    assert seen("::ffff:10.0.0.1", CLIENT) == CLIENT


def test_a_unix_socket_is_this_machine():
    assert seen(None, CLIENT) == "127.0.0.1"


def test_a_header_name_with_underscores_is_not_believed():
    assert seen(PROXY, CLIENT, name="X_Forwarded_For") == PROXY


def test_a_bad_setting_stops_the_start(settings):
    settings.TRUSTED_PROXIES = ["everybody"]

    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        seen(PROXY)


@pytest.mark.django_db
class TestRules:
    """What is decided by address follows."""

    @pytest.fixture(autouse=True)
    def blocked(self):
        IpRule.objects.create(network="198.51.100.0/24", kind="block")

    @pytest.mark.parametrize(
        ("peer", "told", "status"),
        [
            (PROXY, CLIENT, 403),
            (PROXY, f"{CLIENT}, 203.0.113.9", 200),
            ("203.0.113.9", CLIENT, 200),
            (CLIENT, "203.0.113.9", 403),
        ],
    )
    def test_a_blocked_client_is_refused_whoever_hands_it_on(self, api, peer, told, status):
        secret = make.key().secret

        answer = api.get(
            "/api/v1/me", HTTP_X_API_KEY=secret, REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=told
        )

        assert answer.status_code == status
