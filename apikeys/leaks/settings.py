"""LEAK_POLICY and SECRET_SCANNING_*: what becomes of leaked keys, and who may report them."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from apikeys.leaks.signature import BadKeysError, PublicKey, read_keys
from momentry.common.egress.allowed import Allowed, service_url
from momentry.common.env import Environment, fail

QUARANTINE: Final = "quarantine"
REPORT: Final = "report"
ORIGINS: Final = "SECRET_SCANNING_ORIGINS"
KEYS: Final = "SECRET_SCANNING_KEYS"
GITHUB: Final = "github=https://api.github.com/meta/public_keys/secret_scanning"
NOBODY: Final = "off"
NAME: Final = re.compile(r"[a-z][a-z0-9]{0,31}", re.ASCII)


class Origin(NamedTuple):
    """Who finds keys and says so. The name stands in its headers: ``<name>-Public-Key-…``.
    ``url``: of its list of keys, "" when there is none; ``keys``: those that are given."""

    name: str
    url: str
    keys: Mapping[str, PublicKey]


class Leaks(NamedTuple):
    policy: str
    origins: tuple[Origin, ...]


def read_leaks(env: Environment, allowed: Allowed) -> Leaks:
    """Raises ConfigurationError."""
    given = read_given(env)
    origins: list[Origin] = []
    for word in env.words(ORIGINS, GITHUB):
        name, _, url = word.partition("=")
        if word == NOBODY:
            continue
        if NAME.fullmatch(name) is None or name in {origin.name for origin in origins}:
            fail(ORIGINS, "must be a comma-separated list of name=URL, each name once, or off.")
        origins.append(Origin(name, service_url(ORIGINS, url, allowed), given.pop(name, {})))
    if given:
        fail(KEYS, f"has keys of {min(given)}, which {ORIGINS} does not name.")
    return Leaks(env.choice("LEAK_POLICY", QUARANTINE, (QUARANTINE, REPORT)), tuple(origins))


def read_given(env: Environment) -> dict[str, Mapping[str, PublicKey]]:
    """By origin: ``{"github": [{"key_identifier": …, "key": "-----BEGIN PUBLIC KEY-----…"}]}``."""
    try:
        document = json.loads(env.text(KEYS, "{}"))
        return {name: read_all(found) for name, found in document.items()}
    except (ValueError, AttributeError, RecursionError):
        fail(KEYS, "must be a JSON object: by origin a list of key_identifier and P-256 key (PEM).")


def read_all(found: Any) -> dict[str, PublicKey]:
    """Of what is given by hand none is passed over."""
    keys = read_keys({"public_keys": found})
    if len(keys) < len(found):
        raise BadKeysError
    return keys
