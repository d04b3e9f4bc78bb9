"""Webhooks of WooCommerce and WP Webhooks: whom they are about, and no more. Pure.

Neither signs a time, so either can be replayed, and WP Webhooks sends password hashes and session
tokens along: nothing of such a body is kept or logged but the number of a user.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from typing import Any, Final, NamedTuple

from accounts.models import Scheme

# The header with base64(HMAC-SHA256(body, secret)) of each (class-wc-webhook.php; wpwhpro).
SIGNATURES: Final = {
    Scheme.WOOCOMMERCE: "x-wc-webhook-signature",
    Scheme.WPWEBHOOKS: "x-wp-webhook-signature",
}
WOOCOMMERCE_TOPIC: Final = "x-wc-webhook-topic"
TOPIC: Final = re.compile(r"customer\.(created|updated|deleted)", re.ASCII)
PING: Final = re.compile(rb"webhook_id=\d{1,20}")
SHORTEST_SECRET: Final = 16  # characters; WooCommerce makes 50


class WakeUpCall(NamedTuple):
    """Look at this user. ``event_id`` tells the same content again: neither has ids of its own."""

    wordpress_id: int
    topic: str
    event_id: str


def scheme_of(headers: dict[str, str]) -> Scheme | None:
    """By the signature's header; None for what is none of these."""
    return next((scheme for scheme, name in SIGNATURES.items() if name in headers), None)


def is_creation_ping(headers: dict[str, str], body: bytes) -> bool:
    """WooCommerce's first request, unsigned: unless it gets a 200, the webhook is not saved."""
    return scheme_of(headers) is None and PING.fullmatch(body) is not None


def is_signed(secret: str, signature: str, body: bytes) -> bool:
    """base64(HMAC-SHA256(body, secret)); a short secret signs for nobody."""
    if len(secret) < SHORTEST_SECRET:
        return False
    try:
        given = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.digest(secret.encode(), body, hashlib.sha256), given)


def read_call(scheme: Scheme, headers: dict[str, str], body: bytes) -> WakeUpCall | None:
    """Of a verified body; None when it is about no user."""
    if scheme == Scheme.WOOCOMMERCE:
        topic = headers.get(WOOCOMMERCE_TOPIC, "")
        if not TOPIC.fullmatch(topic):
            return None
    else:
        topic = "user"
    number = user_of(body, scheme)
    if number is None:
        return None
    mark = hashlib.sha256(body).hexdigest()
    return WakeUpCall(number, topic, f"{topic}:{mark}")


def user_of(body: bytes, scheme: Scheme) -> int | None:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    if scheme == Scheme.WOOCOMMERCE:
        return number_in(data, "id")
    inner = data.get("data")
    found = number_in(data, "ID", "user_id")
    return found or (number_in(inner, "ID") if isinstance(inner, dict) else None)


def number_in(data: dict[str, Any], *names: str) -> int | None:
    """PHP sends numbers as text at times."""
    for name in names:
        value = data.get(name)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
            value = int(value)
        if type(value) is int and 0 < value < 2**63:
            return value
    return None
