"""The gate: one ordered list of checks, the same for every door. Pure: it does no I/O itself.

``judge`` is a generator: it yields what it must know (effects.py) and is sent the reply, so the
gateway (asyncio) and Django (threads) run the very same rules.
"""

import hmac
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from apikeys import keyformat
from apikeys.digest import CorruptDigest, Peppers
from apikeys.gate import verdict
from apikeys.gate.checks import CHECKS, Refusal
from apikeys.gate.credential import Ambiguous, Credential, find_credential
from apikeys.gate.effects import DatabaseUnavailable, Effect, LoadKey, Take, Taken
from apikeys.gate.request import GateRequest
from apikeys.gate.scopes import effective
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.verdict import Verdict

Judging = Generator[Effect, Any, Verdict]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gate needs of the settings. ``admin_token`` "" is none."""

    peppers: Peppers
    admin_token: str = field(repr=False)
    zone: ZoneInfo


def judge(request: GateRequest, policy: Policy) -> Judging:
    """Check 1 (exactly one credential), then the credential's own way."""
    credential = find_credential(request.headers)
    if credential is None:
        return refused("missing_key")
    if isinstance(credential, Ambiguous):
        return refused("ambiguous_credentials", credential.detail)
    if is_admin_token(request, credential, policy):
        return Verdict(ok=True, actor=verdict.ADMIN_TOKEN, credential=credential.header)
    try:
        return (yield from judge_key(request, credential, policy))
    except DatabaseUnavailable:
        return refused("database_unavailable", credential=credential)


def judge_key(request: GateRequest, credential: Credential, policy: Policy) -> Judging:
    """Checks 3 to 9 for one key."""
    parsed = keyformat.parse(credential.secret)
    if parsed is None:
        return refused("invalid_key", credential=credential)
    snapshot: KeySnapshot | None = yield LoadKey(parsed.key_id)
    if snapshot is None or not proves(credential.secret, snapshot, policy.peppers):
        return refused("invalid_key", credential=credential)
    for check in CHECKS:
        refusal = check(request, snapshot)
        if refusal is not None:
            return refused_key(snapshot, refusal, credential)
    if not snapshot.quotas:
        return admitted(snapshot, credential, Taken((), (), None))
    taken: Taken = yield Take(snapshot.quotas, request.weight, snapshot.now)
    if taken.exceeded is not None:
        return refused_key(snapshot, exceeded(taken, snapshot), credential)._replace(
            limits=taken.limits
        )
    return admitted(snapshot, credential, taken)


def is_admin_token(request: GateRequest, credential: Credential, policy: Policy) -> bool:
    """Only under the admin API, only as Bearer, compared in constant time."""
    return (
        bool(policy.admin_token)
        and request.is_admin_route
        and credential.header == b"authorization"
        and hmac.compare_digest(
            credential.secret.encode("latin-1"), policy.admin_token.encode("utf-8")
        )
    )


def proves(secret: str, snapshot: KeySnapshot, peppers: Peppers) -> bool:
    """All digests are looked at, so that time does not tell which one matched."""
    return True in [matches(secret, digest, peppers) for digest in snapshot.digests]


def matches(secret: str, digest: str, peppers: Peppers) -> bool:
    try:
        return peppers.matches(secret, digest)
    except CorruptDigest:
        return False


def exceeded(taken: Taken, snapshot: KeySnapshot) -> Refusal:
    limit = taken.exceeded
    assert limit is not None  # noqa: S101  narrows the type; the caller asked just now
    seconds = max(1, int((limit.reset_at - snapshot.now).total_seconds()) + 1)
    reset = limit.reset_at.isoformat()
    return Refusal(
        "quota_exceeded",
        f"The {limit.name} quota of {limit.limit} requests is used up; it resets at {reset}.",
        {"retry_after": seconds, "violated-policies": [limit.name]},
    )


def admitted(snapshot: KeySnapshot, credential: Credential, taken: Taken) -> Verdict:
    return Verdict(
        ok=True,
        actor=verdict.KEY,
        key_id=snapshot.key_id,
        member_id=snapshot.member_id,
        scopes=effective(snapshot.scopes, snapshot.role, snapshot.key_type),
        key_type=snapshot.key_type,
        charges=taken.charges,
        limits=taken.limits,
        credential=credential.header,
    )


def refused(code: str, detail: str = "", credential: Credential | None = None) -> Verdict:
    return Verdict(
        ok=False, code=code, detail=detail, credential=credential.header if credential else b""
    )


def refused_key(snapshot: KeySnapshot, refusal: Refusal, credential: Credential) -> Verdict:
    return Verdict(
        ok=False,
        code=refusal.code,
        detail=refusal.detail,
        extra=refusal.extra,
        key_id=snapshot.key_id,
        member_id=snapshot.member_id,
        key_type=snapshot.key_type,
        credential=credential.header,
    )
