"""The gateway's decision, signed for Django: ``v1.<base64url JSON>.<base64url HMAC-SHA256>``. Pure.

The key is derived from the encryption ring, never SECRET_KEY. It binds the method, the raw target
and the client, and holds for LIFETIME_SECONDS from the moment Django sees the request's head.
"""

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from apikeys.gate.sealed import UNREADABLE
from apikeys.gate.verdict import Charge, Entry, Limit, Verdict

HEADER: Final = "X-Momentry-Decision"
PURPOSE: Final = "gateway decision"
VERSION: Final = "v1"
LIFETIME_SECONDS: Final = 5
MAX_LENGTH: Final = 8192
MAX_SLOTS: Final = 16  # a member's and a key's


class InvalidDecision(Exception):
    """Not made by our gateway, for another request, or too old."""


class Decision(NamedTuple):
    """An admitted verdict with the request it was made for.

    ``issued_at``: Unix seconds; ``target``: raw as it is signed, its fingerprint as it is read.
    """

    request_id: str
    issued_at: float
    method: str
    target: str
    client: str
    verdict: Verdict


def sign(decision: Decision, key: bytes) -> bytes:
    document = json.dumps(to_json(decision), separators=(",", ":")).encode()
    payload = base64.urlsafe_b64encode(document)
    signature = base64.urlsafe_b64encode(hmac.digest(key, payload, hashlib.sha256))
    return b".".join((VERSION.encode(), payload, signature))


def verify(text: str, key: bytes, *, method: str, target: str, now: float) -> Decision:
    """The decision, or InvalidDecision without a reason: a forger learns nothing."""
    if len(text) > MAX_LENGTH or not text.isascii():
        raise InvalidDecision
    version, _, rest = text.partition(".")
    payload, _, signature = rest.partition(".")
    expected = base64.urlsafe_b64encode(hmac.digest(key, payload.encode(), hashlib.sha256))
    if version != VERSION or not hmac.compare_digest(signature.encode(), expected):
        raise InvalidDecision
    try:
        decision = from_json(json.loads(base64.urlsafe_b64decode(payload)))
        age = now - decision.issued_at
    except UNREADABLE:
        raise InvalidDecision from None
    if decision.method != method or decision.target != fingerprint(target):
        raise InvalidDecision
    if not -LIFETIME_SECONDS <= age <= LIFETIME_SECONDS:
        raise InvalidDecision
    return decision


def fingerprint(target: str) -> str:
    """Of the raw target: a long query must not make a long header."""
    return hashlib.sha256(target.encode("latin-1", "replace")).hexdigest()


def to_json(decision: Decision) -> dict[str, Any]:
    verdict = decision.verdict
    return {
        "rid": decision.request_id,
        "iat": decision.issued_at,
        "mth": decision.method,
        "tgt": fingerprint(decision.target),
        "cli": decision.client,
        "act": verdict.actor,
        "key": verdict.key_id.hex if verdict.key_id else None,
        "mem": verdict.member_id.hex if verdict.member_id else None,
        "typ": verdict.key_type,
        "scp": sorted(verdict.scopes),
        "chg": [
            [*charge[:3], charge.period_start.isoformat(), charge.units]
            for charge in verdict.charges
        ],
        "lim": [
            [*limit[:4], limit.reset_at and limit.reset_at.isoformat(), limit.window_seconds]
            for limit in verdict.limits
        ],
        "ent": verdict.entry and [verdict.entry.units, len(verdict.entry.slots)],
    }


def from_json(data: dict[str, Any]) -> Decision:
    verdict = Verdict(
        ok=True,
        actor=data["act"],
        key_id=UUID(hex=data["key"]) if data["key"] else None,
        member_id=UUID(hex=data["mem"]) if data["mem"] else None,
        key_type=data["typ"],
        scopes=frozenset(data["scp"]),
        charges=tuple(
            Charge(c[0], c[1], c[2], datetime.fromisoformat(c[3]), c[4]) for c in data["chg"]
        ),
        limits=tuple(map(limit_of, data["lim"])),
        entry=entry_of(data.get("ent")),
    )
    return Decision(
        request_id=data["rid"],
        issued_at=data["iat"],
        method=data["mth"],
        target=data["tgt"],
        client=data["cli"],
        verdict=verdict,
    )


def limit_of(item: list[Any]) -> Limit:
    name, unit, limit, remaining, reset, window = item
    return Limit(name, unit, limit, remaining, reset and datetime.fromisoformat(reset), window)


def entry_of(item: list[int] | None) -> Entry | None:
    """Enough to tell what is left after it; the gateway alone can leave it."""
    if not item:
        return None
    units, slots = item
    if not 0 <= slots <= MAX_SLOTS:
        raise ValueError("more slots than there are limits")
    return Entry((), units, ("",) * slots, "", shared=True)
