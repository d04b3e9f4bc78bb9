"""EGRESS_ALLOW: networks and host names."""

import pytest

from momentry.common.egress.allowed import read_allowed, service_url
from momentry.common.egress.rules import Kind
from momentry.common.env import ConfigurationError, Environment

LINK_LOCAL = "169.254.169.254"


def refusal(listed: str, host: str, address: str = LINK_LOCAL, kind: Kind = Kind.SERVICE) -> str:
    return read_allowed(Environment({"EGRESS_ALLOW": listed})).refusal(host, address, kind)


def test_nothing_is_listed_unless_somebody_did() -> None:
    allowed = read_allowed(Environment({}))

    assert (allowed.networks, allowed.names) == ((), frozenset())
    assert allowed.refusal("api.example.org", LINK_LOCAL, Kind.SERVICE) == "a metadata address"


@pytest.mark.parametrize(
    "listed", ["metadata.internal", "Metadata.Internal.", " a , metadata.internal,"]
)
def test_a_listed_name_may_lead_anywhere(listed: str) -> None:
    assert refusal(listed, "metadata.internal") == ""
    assert refusal(listed, "METADATA.internal.") == ""


@pytest.mark.parametrize(
    "host", ["internal", "a.metadata.internal", "metadata.internal.example.org"]
)
def test_names_beside_a_listed_one_may_not(host: str) -> None:
    assert refusal("metadata.internal", host) == "a metadata address"


@pytest.mark.parametrize(
    "listed", [LINK_LOCAL, "169.254.0.0/16", "169.254.7.7/16", "x, 169.254.169.254/32"]
)
def test_a_listed_network_is_for_every_host(listed: str) -> None:
    assert refusal(listed, "api.example.org") == ""
    assert refusal(listed, "api.example.org", "224.0.0.1") == "multicast"


def test_the_same_list_holds_for_webhooks() -> None:
    assert refusal("10.0.0.0/8", "hooks.example.org", "10.0.0.1", Kind.WEBHOOK) == ""
    assert refusal("10.0.0.0/8", "hooks.example.org", "192.168.0.1", Kind.WEBHOOK) == "not public"


@pytest.mark.parametrize(
    "listed",
    ["169.254.0.0/33", "fe80::1%eth0", "127.1", "0x7f.1", "2130706433", "a b", "http://a/",
     "*.example.org", "[::1]", "a..b", "10.0.0.0/8;a", "é", "10.0.0.0/8, a:80"],
)  # fmt: skip
def test_what_is_neither_stops_the_start_and_is_not_repeated(listed: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^EGRESS_ALLOW must be a comma-sep") as caught:
        read_allowed(Environment({"EGRESS_ALLOW": listed}))

    assert listed not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        "there",
        "ftp://there",
        "http://u:hunter2@there",
        "http://169.254.169.254",
        "http://" + "a" * 200,
    ],
)
def test_a_service_that_nobody_could_dial_stops_the_start_and_is_not_repeated(given: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^N8N_URL must be http") as caught:
        service_url("N8N_URL", given, read_allowed(Environment({})))

    assert given not in str(caught.value)


@pytest.mark.parametrize("given", ["", "http://n8n:5678", "https://n8n.example.org/there/"])
def test_where_a_service_is_may_be_said_or_left_out(given: str) -> None:
    assert service_url("N8N_URL", given, read_allowed(Environment({}))) == given
