"""EMAIL_URL as Django's mail settings."""

import pytest

from momentry.common.env import ConfigurationError, Environment
from momentry.smtp import CONSOLE, mail_settings

START_TLS = {"EMAIL_USE_TLS": True, "EMAIL_USE_SSL": False}
TLS = {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": True}
CLEAR = {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False}


def settings(url: str) -> dict[str, object]:
    return mail_settings(Environment({"EMAIL_URL": url}))


def test_without_a_url_letters_go_to_the_console():
    assert settings("") == CONSOLE


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", {"EMAIL_PORT": 25, **CLEAR}),
        ("smtp://ann:x@mail.example.org", {"EMAIL_PORT": 587, **START_TLS}),
        ("smtp://ann:x@mail.example.org:2525?starttls=false", {"EMAIL_PORT": 2525, **CLEAR}),
        ("smtp://mail.example.org?starttls=true", {"EMAIL_PORT": 587, **START_TLS}),
        ("smtps://ann:x@mail.example.org", {"EMAIL_PORT": 465, **TLS}),
        (
            "smtp://mail.example.org?from=The%20House%20%3Ca@example.org%3E",
            {"DEFAULT_FROM_EMAIL": "The House <a@example.org>"},
        ),
        (
            "smtps://ann%40example.org:p%2Fw@mail.example.org?from=no-reply@example.org",
            {
                "EMAIL_HOST_USER": "ann@example.org",
                "EMAIL_HOST_PASSWORD": "p/w",
                "DEFAULT_FROM_EMAIL": "no-reply@example.org",
            },
        ),
    ],
)
def test_a_url_names_server_encryption_and_sender(url, expected):
    found = settings(url)

    assert found["EMAIL_HOST"] == "mail.example.org"
    assert found["EMAIL_TIMEOUT"] == 15
    assert expected.items() <= found.items()


@pytest.mark.parametrize(
    "url",
    [
        "http://ann:s3cret@x", "smtp://", "smtp://ann:s3cret@:25", "smtp://x:port", "mail",
        "smtp://ann:s3cret@x?tls=1", "smtp://ann:s3cret@x?starttls=perhaps",
        "smtps://ann:s3cret@x?starttls=true", "smtp://ann:s3cret@x?from=somebody",
        "smtp://ann:s3cret@x?from=a@example.org%0ABcc:%20b@example.org",
    ],
)  # fmt: skip
def test_a_url_that_is_none_stops_the_start_and_is_not_repeated(url):
    with pytest.raises(ConfigurationError, match="EMAIL_URL") as caught:
        settings(url)

    assert "s3cret" not in str(caught.value)
