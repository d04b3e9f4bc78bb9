"""A letter's message id: valid whatever the service is called, and what its subject may hold."""

import re

import pytest

from events.message import Letter, id_domain, message_of
from events.models import Mail

# RFC 5322 §3.6.4: id-left "@" id-right, of which the left is a UUID here.
ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
MESSAGE_ID = re.compile(rf"<{ATEXT}(\.{ATEXT})*@({ATEXT}(\.{ATEXT})*|\[[!-Z^-~]*\])>")


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://api.example.org", "api.example.org"),
        ("https://API.Example.org:8443/x", "api.example.org"),
        ("https://example.org.", "example.org"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("http://127.0.0.1:3002", "127.0.0.1"),
        ("http://[2001:db8::1]:3002", "[IPv6:2001:db8::1]"),
        ("http://localhost", "localhost"),
        ("http://a..b", "momentry.invalid"),
        ("http://a b", "momentry.invalid"),
        ("http://" + "x" * 70 + ".org", "momentry.invalid"),
        ("http://", "momentry.invalid"),
    ],
)
def test_its_domain_is_the_services(url, domain, settings):
    settings.PUBLIC_URL = url
    letter = Mail(template="x", recipient="a@example.org")

    found = message_of(letter, Letter("subject", "text")).message()["Message-ID"]

    assert id_domain(url) == domain
    assert found == f"<{letter.pk}@{domain}>"
    assert MESSAGE_ID.fullmatch(found)


@pytest.mark.parametrize("subject", ["a\nBcc: b@example.org", "a\r\nX: y", "a\rb"])
def test_a_subject_of_several_lines_is_no_subject(subject):
    with pytest.raises(ValueError, match="newlines"):
        message_of(Mail(recipient="a@example.org"), Letter(subject, "text"))
