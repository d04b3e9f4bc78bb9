"""A hold that leaves the house: ``h1.<base64url JSON>.<base64url HMAC-SHA256>``, to be ended by the
caller it was given to, through whichever process. Pure; the key is derived from the ring.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from apikeys.gate.verdict import Charge

PURPOSE: Final = "budget hold"
VERSION: Final = "h1"
LIFETIME: Final = timedelta(hours=1)
MAX_LENGTH: Final = 8192
# What a document may raise that another version wrote, signed as it is.
UNREADABLE: Final = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError, RecursionError,
)  # fmt: skip


class InvalidHold(Exception):
    """Not made here, or not for this caller."""


class SealedHold(NamedTuple):
    """``caller``: who asked for it, and alone may end it; ``key_id``: whose units are held."""

    id: UUID
    caller: str
    key_id: UUID
    ends_at: datetime
    charges: tuple[Charge, ...]


def seal(hold: SealedHold, key: bytes) -> str:
    document = json.dumps(to_json(hold), separators=(",", ":")).encode()
    payload = base64.urlsafe_b64encode(document)
    return b".".join((VERSION.encode(), payload, signature_of(payload, key))).decode()


def unseal(text: str, keys: Iterable[bytes], *, caller: str) -> SealedHold:
    """Raises InvalidHold without a reason: a forger learns nothing. Its end is not looked at."""
    if len(text) > MAX_LENGTH or not text.isascii():
        raise InvalidHold
    version, _, rest = text.partition(".")
    payload, _, signature = rest.partition(".")
    given = signature.encode()
    known = [hmac.compare_digest(given, signature_of(payload.encode(), key)) for key in keys]
    if version != VERSION or not any(known):
        raise InvalidHold
    try:
        found = from_json(json.loads(base64.urlsafe_b64decode(payload)))
    except UNREADABLE:
        raise InvalidHold from None
    if found.caller != caller:
        raise InvalidHold
    return found


def signature_of(payload: bytes, key: bytes) -> bytes:
    return base64.urlsafe_b64encode(hmac.digest(key, payload, hashlib.sha256))


def to_json(hold: SealedHold) -> dict[str, Any]:
    return {
        "id": hold.id.hex,
        "cal": hold.caller,
        "key": hold.key_id.hex,
        "end": hold.ends_at.timestamp(),
        "chg": [
            [*charge[:3], charge.period_start.timestamp(), charge.units] for charge in hold.charges
        ],
    }


def from_json(data: dict[str, Any]) -> SealedHold:
    return SealedHold(
        id=UUID(hex=data["id"]),
        caller=data["cal"],
        key_id=UUID(hex=data["key"]),
        ends_at=moment(data["end"]),
        charges=tuple(Charge(c[0], c[1], c[2], moment(c[3]), c[4]) for c in data["chg"]),
    )


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
