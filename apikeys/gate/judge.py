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
from apikeys.gate.effects import DatabaseUnavailable, Effect, IsBlocked, Overloaded
from apikeys.gate.limits import NOTHING, Spent, spend
from apikeys.gate.lockout import Permit
from apikeys.gate.opening import may_be_foreign
from apikeys.gate.proof import count_failure, prove
from apikeys.gate.proofs import Proofs
from apikeys.gate.request import GateRequest
from apikeys.gate.scopes import effective
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.verdict import Verdict
from apikeys.hasher import HMAC
from apikeys.keyformat import PREFIXES

Judging = Generator[Effect, Any, Verdict]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gate needs of the settings. ``admin_token`` "" is none."""

    peppers: Peppers
    admin_token: str = field(repr=False)
    zone: ZoneInfo
    hasher: str = HMAC
    proofs: Proofs = field(default_factory=Proofs, repr=False, compare=False)


def judge(request: GateRequest, policy: Policy) -> Judging:
    """The verdict; ``database_unavailable`` when the door could not know something."""
    return (yield from told(judge_request(request, policy)))


def judge_key(request: GateRequest, key: KeySnapshot, credential: Credential) -> Judging:
    """As judge, of a key whose secret was proven."""
    return (yield from told(weigh(request, key, credential)))


def told(judging: Judging) -> Judging:
    """A door that cannot know something is a refusal too."""
    try:
        return (yield from judging)
    except DatabaseUnavailable:
        return refused(Refusal("database_unavailable"))
    except Overloaded:
        return refused(Refusal("overloaded"))


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
        if not (yield from may_be_key(credential.secret)):
            guess = yield from count_failure(request.client, Permit(True))
            return refused(guess, credential)
    found = yield from prove(request.client, credential.secret, policy)
    if isinstance(found, Refusal):
        return refused(found, credential)
    return (yield from weigh(request, found, credential))


def weigh(request: GateRequest, key: KeySnapshot, credential: Credential) -> Judging:
    """Checks 4 to 9 for a key whose secret was proven."""
    for check in CHECKS:
        refusal = check(request, key)
        if refusal is not None:
            return refused_key(key, refusal, credential)
    spent = yield from spend(request, key)
    if spent.refusal is None:
        return admitted(key, credential, spent)
    return refused_key(key, spent.refusal, credential)._replace(limits=spent.limits)


def may_be_admin_token(request: GateRequest, credential: Credential, policy: Policy) -> bool:
    """Only under the admin API, only as Bearer, only when there is one."""
    return (
        bool(policy.admin_token)
        and request.is_admin_route
        and credential.header == b"authorization"
    )


def may_be_key(secret: str) -> Generator[Effect, Any, bool]:
    """Else it is a guess at the token."""
    return secret.startswith(PREFIXES) or (yield from may_be_foreign(secret))


def is_admin_token(credential: Credential, policy: Policy) -> bool:
    return hmac.compare_digest(
        credential.secret.encode("latin-1"), policy.admin_token.encode("utf-8")
    )


def admitted(key: KeySnapshot, credential: Credential, spent: Spent) -> Verdict:
    """The same each time for a remembered key of which nothing was counted."""
    if key.kept is None or spent is not NOTHING:
        return make_admitted(key, credential, spent)
    made = key.kept.admitted.get(credential.header)
    if made is None:
        made = make_admitted(key, credential, spent)
        key.kept.admitted[credential.header] = made
    return made


def make_admitted(key: KeySnapshot, credential: Credential, spent: Spent) -> Verdict:
    return Verdict(
        ok=True,
        actor=verdict.KEY,
        key_id=key.key_id,
        member_id=key.member_id,
        scopes=effective(key.scopes, key.role, key.key_type),
        key_type=key.key_type,
        charges=spent.charges,
        limits=spent.limits,
        credential=credential.header,
        entry=spent.entry,
        tier=key.tier,
        has_models=key.has_models,
    )


def refused(refusal: Refusal, credential: Credential | None = None) -> Verdict:
    header = credential.header if credential else b""
    return Verdict(False, refusal.code, refusal.detail, refusal.extra, credential=header)


def refused_key(key: KeySnapshot, refusal: Refusal, credential: Credential) -> Verdict:
    return refused(refusal, credential)._replace(
        key_id=key.key_id, member_id=key.member_id, key_type=key.key_type, at=key.now
    )
