"""Upstreams as settings name them: UPSTREAMS, UPSTREAM_<SLUG>_URL and _API_KEY. Only reads."""

import re
from typing import Final, NamedTuple

from momentry.common.egress.allowed import Allowed
from momentry.common.egress.baseurl import fault_of
from momentry.common.env import Environment, fail
from momentry.common.veil import veils

SETTING: Final = "UPSTREAMS"
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,59}", re.ASCII)
MAX_URL: Final = 200
MAX_KEY: Final = 4096
MAX_UPSTREAMS: Final = 200


@veils("api_key")
class GivenUpstream(NamedTuple):
    """``api_key``: sent as ``Authorization: Bearer``; None for none."""

    slug: str
    base_url: str
    api_key: str | None = None


def variable(slug: str, what: str) -> str:
    """``a-b`` is written A_B. A slug has no underscore, so no two share a name."""
    return f"UPSTREAM_{slug.upper().replace('-', '_')}_{what}"


def read_upstreams(environment: Environment, allowed: Allowed) -> tuple[GivenUpstream, ...]:
    """In their order. ConfigurationError names the variable and repeats no value."""
    slugs = environment.words(SETTING)
    if any(not SLUG.fullmatch(slug) for slug in slugs):
        fail(SETTING, "must be a comma-separated list of slugs: a-z, 0-9 and -, up to 60 each.")
    if len(set(slugs)) < len(slugs):
        fail(SETTING, "names an upstream twice.")
    if len(slugs) > MAX_UPSTREAMS:
        fail(SETTING, f"names more than {MAX_UPSTREAMS} upstreams.")
    return tuple(read_one(environment, slug, allowed) for slug in slugs)


def read_one(environment: Environment, slug: str, allowed: Allowed) -> GivenUpstream:
    name = variable(slug, "URL")
    base_url = environment.url(name, None, ("http", "https"))
    if len(base_url) > MAX_URL or fault_of(base_url, allowed.networks):
        fail(
            name,
            "must read http(s)://host[:port][/path], without user, query or fragment, at most "
            f"{MAX_URL} characters, and lead where upstreams may (EGRESS_ALLOW).",
        )
    name = variable(slug, "API_KEY")
    api_key = environment.text(name, "")
    if not api_key.isascii() or (api_key and not api_key.isprintable()) or len(api_key) > MAX_KEY:
        fail(name, f"must be printable ASCII characters, at most {MAX_KEY}.")
    return GivenUpstream(slug, base_url, api_key or None)
