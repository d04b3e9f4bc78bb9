"""The gate: one ordered list of checks, the same for every door. Pure: it does no I/O itself.

``judge`` is a generator: it yields what it must know (effects.py) and is sent the reply, so the
gateway (asyncio) and Django (threads) run the very same rules.
"""

import hmac
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from apikeys.digest import Peppers
from apikeys.gate import verdict
from apikeys.gate.checks import CHECKS, Refusal
from apikeys.gate.credential import Ambiguous, Credential, find_credential
from apikeys.gate.effects import DatabaseUnavailable, Effect, IsBlocked, Take, Taken
from apikeys.gate.lockout import Permit
from apikeys.gate.proof import count_failure, prove
from apikeys.gate.request import GateRequest
from apikeys.gate.scopes import effective
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.verdict import Limit, Verdict
from apikeys.keyformat import PREFIXES

Judging = Generator[Effect, Any, Verdict]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gate needs of the settings. ``admin_token`` "" is none."""

    peppers: Peppers
    admin_token: str = field(repr=False)
    zone: ZoneInfo


def judge(request: GateRequest, policy: Policy) -> Judging:
    """The verdict; ``database_unavailable`` when the door could not know something."""
    try:
        return (yield from judge_request(request, policy))
    except DatabaseUnavailable:
        return refused(Refusal("database_unavailable"))


def judge_request(request: GateRequest, policy: Policy) -> Judging:
    """Checks 2 and 1 (a blocked address learns nothing), then the credential's own way."""
    if (yield IsBlocked(request.client)):
        return refused(Refusal("ip_blocked"))
    credential = find_credential(request.headers)
    if credential is None:
        return refused(Refusal("missing_key"))
    if isinstance(credential, Ambiguous):
        return refused(Refusal("ambiguous_credentials", credential.detail))
    if may_be_admin_token(request, credential, policy):
        if is_admin_token(credential, policy):
            return Verdict(ok=True, actor=verdict.ADMIN_TOKEN, credential=credential.header)
        if not credential.secret.startswith(PREFIXES):
            guess = yield from count_failure(request.client, Permit(True))
            return refused(guess, credential)
    found = yield from prove(request.client, credential.secret, policy.peppers)
    if isinstance(found, Refusal):
        return refused(found, credential)
    return (yield from weigh(request, found, credential))


def weigh(request: GateRequest, key: KeySnapshot, credential: Credential) -> Judging:
    """Checks 4 to 9 for a key whose secret was proven."""
    for check in CHECKS:
        refusal = check(request, key)
        if refusal is not None:
            return refused_key(key, refusal, credential)
    if not key.quotas:
        return admitted(key, credential, Taken((), (), None))
    units = 0 if request.dry_run else request.weight
    taken: Taken = yield Take(key.quotas, units, key.now)
    short = taken.exceeded or would_exceed(taken.limits, request)
    if short is not None:
        refusal = exceeded(short, key)
        return refused_key(key, refusal, credential)._replace(limits=taken.limits)
    return admitted(key, credential, taken)


def would_exceed(limits: tuple[Limit, ...], request: GateRequest) -> Limit | None:
    """Of a dry run: the limit that would refuse and resets last."""
    if not request.dry_run:
        return None
    short = [limit for limit in limits if limit.remaining < request.weight]
    return max(short, key=lambda limit: limit.reset_at, default=None)


def may_be_admin_token(request: GateRequest, credential: Credential, policy: Policy) -> bool:
    """Only under the admin API, only as Bearer, only when there is one."""
    return (
        bool(policy.admin_token)
        and request.is_admin_route
        and credential.header == b"authorization"
    )


def is_admin_token(credential: Credential, policy: Policy) -> bool:
    return hmac.compare_digest(
        credential.secret.encode("latin-1"), policy.admin_token.encode("utf-8")
    )


def exceeded(limit: Limit, key: KeySnapshot) -> Refusal:
    seconds = max(1, int((limit.reset_at - key.now).total_seconds()) + 1)
    reset = limit.reset_at.isoformat()
    return Refusal(
        "quota_exceeded",
        f"The {limit.name} quota of {limit.limit} requests is used up; it resets at {reset}.",
        {"retry_after": seconds, "violated-policies": [limit.name]},
    )


def admitted(key: KeySnapshot, credential: Credential, taken: Taken) -> Verdict:
    return Verdict(
        ok=True,
        actor=verdict.KEY,
        key_id=key.key_id,
        member_id=key.member_id,
        scopes=effective(key.scopes, key.role, key.key_type),
        key_type=key.key_type,
        charges=taken.charges,
        limits=taken.limits,
        credential=credential.header,
    )


def refused(refusal: Refusal, credential: Credential | None = None) -> Verdict:
    header = credential.header if credential else b""
    return Verdict(False, refusal.code, refusal.detail, refusal.extra, credential=header)


def refused_key(key: KeySnapshot, refusal: Refusal, credential: Credential) -> Verdict:
    return refused(refusal, credential)._replace(
        key_id=key.key_id, member_id=key.member_id, key_type=key.key_type, at=key.now
    )
