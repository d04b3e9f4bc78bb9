"""SFTPGO_…: none, or all that is needed; half of it names what is missing."""

import pytest

from momentry.common.egress.allowed import NOTHING
from momentry.common.env import ConfigurationError, Environment
from provisioning.sftpgo.config import read_sftpgo

PASSWORD = "s3cret of sftpgo"
LOGIN = {"SFTPGO_ADMIN": "momentry", "SFTPGO_PASSWORD": PASSWORD}
WHOLE = {"SFTPGO_URL": "http://sftpgo", **LOGIN}


def read(variables):
    env = Environment(variables)
    return read_sftpgo(env, public_url="https://keys.example.org:8443", allowed=NOTHING)


def test_nothing_is_not_configured():
    assert read({}) is None
    assert read({"SFTPGO_URL": "", "SFTPGO_ADMIN": "", "SFTPGO_HOME_ROOT": "/data"}) is None


def test_the_rest_has_defaults():
    found = read(WHOLE)

    assert found.url == "http://sftpgo:8080"
    assert (found.home_root, found.data_root) == ("/data", "")
    assert (found.public_host, found.public_port) == ("keys.example.org", 2022)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://sftpgo:80/", "http://sftpgo:80"), ("https://sftpgo.example", "https://sftpgo.example"),
     ("http://[::1]/base/", "http://[::1]:8080/base")],
)  # fmt: skip
def test_an_address_keeps_its_port_and_path(url, expected):
    assert read({**WHOLE, "SFTPGO_URL": url}).url == expected


def test_no_secret_is_printed():
    with_key = read({"SFTPGO_URL": "http://sftpgo", "SFTPGO_API_KEY": "id.s3cret"})

    assert "s3cret" not in f"{read(WHOLE)!r} {read(WHOLE)} {with_key!r}"


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        (LOGIN, "SFTPGO_URL"),
        ({"SFTPGO_API_KEY": "id.secret"}, "SFTPGO_URL"),
        ({"SFTPGO_URL": "http://sftpgo"}, "SFTPGO_ADMIN"),
        ({**WHOLE, "SFTPGO_PASSWORD": ""}, "SFTPGO_PASSWORD"),
        ({**WHOLE, "SFTPGO_ADMIN": ""}, "SFTPGO_ADMIN"),
        ({**WHOLE, "SFTPGO_ADMIN": "a:b"}, "SFTPGO_ADMIN"),
        ({**WHOLE, "SFTPGO_API_KEY": "id.secret"}, "SFTPGO_API_KEY"),
        ({"SFTPGO_URL": "http://sftpgo", "SFTPGO_API_KEY": "a\nb"}, "SFTPGO_API_KEY"),
        ({**WHOLE, "SFTPGO_URL": "sftp://sftpgo"}, "SFTPGO_URL"),
        ({**WHOLE, "SFTPGO_URL": "http://u:p@sftpgo"}, "SFTPGO_URL"),
        ({**WHOLE, "SFTPGO_URL": "http://169.254.169.254"}, "SFTPGO_URL"),
        ({**WHOLE, "SFTPGO_HOME_ROOT": "data"}, "SFTPGO_HOME_ROOT"),
        ({**WHOLE, "SFTPGO_HOME_ROOT": "/data/../etc"}, "SFTPGO_HOME_ROOT"),
        ({**WHOLE, "SFTPGO_DATA_ROOT": "./data"}, "SFTPGO_DATA_ROOT"),
        ({**WHOLE, "SFTPGO_PUBLIC_PORT": "70000"}, "SFTPGO_PUBLIC_PORT"),
    ],
)
def test_half_of_it_or_nonsense_stops_the_start(variables, named):
    with pytest.raises(ConfigurationError) as caught:
        read(variables)

    assert caught.value.variable == named
    assert PASSWORD not in str(caught.value)
