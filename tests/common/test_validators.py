"""Base URLs of upstreams and sites; networks."""

import pytest
from django.core.exceptions import ValidationError

from momentry.common.validators import validate_base_url, validate_network


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8000", "http://video-engine:8000/", "https://api.example.org/v1",
     "http://[::1]:9/"],
)  # fmt: skip
def test_an_address_of_a_service_passes(url):
    validate_base_url(url)

    assert url


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://x/", "http://", "http:///x", "http://u:p@x/", "http://x/?a=1",
     "http://x/#a", "http://x:0/", "http://x:99999/", "http://x/a b", "http://x\\@y/", "http://x/é",
     "http://x/\n", "javascript:alert(1)", "http://[::1/"],
)  # fmt: skip
def test_anything_else_is_refused(url):
    with pytest.raises(ValidationError):
        validate_base_url(url)


@pytest.mark.parametrize("text", ["fe80::1%eth0/128", "fe80::%eth0/64", "::1%1", "%", "fe80::%/64"])
def test_a_network_has_no_zone(text):
    with pytest.raises(ValidationError, match="zone"):
        validate_network(text)
