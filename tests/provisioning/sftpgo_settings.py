"""SFTPGo's settings for tests, as the environment would give them."""

from typing import Any

from momentry.common.egress.allowed import NOTHING
from momentry.common.env import Environment
from provisioning.sftpgo.config import SftpgoConfig, read_sftpgo

LOGIN = {"SFTPGO_ADMIN": "momentry", "SFTPGO_PASSWORD": "s3cret of sftpgo"}


def configured(url: str = "http://127.0.0.1:9", **given: Any) -> SftpgoConfig:
    login = given or LOGIN
    env = Environment({"SFTPGO_URL": url, **login})
    made = read_sftpgo(env, public_url="https://keys.example.org", allowed=NOTHING)
    assert made is not None
    return made
