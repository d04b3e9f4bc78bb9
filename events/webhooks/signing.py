"""Signatures of Standard Webhooks 1.0, and the plain one beside them. Pure.

``webhook-id`` is the event's: whoever gets one twice, from a retry, a redelivery or two endpoints
at one address, sees that it is the same. The timestamp is the attempt's.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from uuid import UUID

PREFIX: Final = "whsec_"
SHORTEST: Final = 24  # bytes, the least and the most that Standard Webhooks allows
LONGEST: Final = 64


def key_of(secret: str) -> bytes:
    """ValueError for what is no ``whsec_`` and base64 of 24 to 64 bytes."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"It begins with {PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{PREFIX} is followed by base64.") from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"{SHORTEST} to {LONGEST} bytes, in base64.")
    return key


def headers_of(event: UUID, body: bytes, keys: Sequence[bytes], now: int) -> dict[str, str]:
    """``keys``: the newest first; each signs, the plain signature is the newest's."""
    signed = b"%s.%d.%s" % (str(event).encode(), now, body)
    signatures = [base64.b64encode(mac(key, signed)).decode() for key in keys]
    return {
        "Content-Type": "application/json",
        "webhook-id": str(event),
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        "X-Webhook-Signature": f"sha256={mac(keys[0], body).hex()}",
    }


def mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, hashlib.sha256)
