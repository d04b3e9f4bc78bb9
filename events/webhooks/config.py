"""The endpoint of the environment, as WEBHOOK_URL and WEBHOOK_SECRET say. Reads no database."""

from typing import Final, NamedTuple

from events.webhooks.signing import key_of
from momentry.common.egress.allowed import Allowed
from momentry.common.egress.baseurl import fault_of
from momentry.common.egress.rules import Kind
from momentry.common.env import Environment, fail
from momentry.common.veil import veils

LONGEST: Final = 500  # as the column
MAKE: Final = "Make one with `python3 manage.py generate_secret webhook-secret`."


@veils("secret")
class GivenEndpoint(NamedTuple):
    url: str
    secret: str


def read_webhook(env: Environment, allowed: Allowed) -> GivenEndpoint | None:
    """None without either. Raises ConfigurationError."""
    url, secret = env.text("WEBHOOK_URL", ""), env.text("WEBHOOK_SECRET", "")
    if not url and not secret:
        return None
    if not url:
        fail("WEBHOOK_URL", "is missing: WEBHOOK_SECRET is set.")
    if not secret:
        fail("WEBHOOK_SECRET", f"is missing: WEBHOOK_URL is set. {MAKE}")
    if len(url) > LONGEST or fault_of(url, allowed.networks, kind=Kind.WEBHOOK):
        fail("WEBHOOK_URL", "must be http(s)://host[:port][/path] of a host on the Internet.")
    try:
        key_of(secret)
    except ValueError:
        fail("WEBHOOK_SECRET", f"must be whsec_ and 24 to 64 bytes in base64. {MAKE}")
    return GivenEndpoint(url, secret)
