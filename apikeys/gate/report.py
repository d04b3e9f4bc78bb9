"""What POST /api/v1/keys/verify answers, from a verdict and the key it is about. Pure."""

import json
from typing import Any, Final, NamedTuple

from apikeys.gate.periods import LIMIT_NAMES
from apikeys.gate.question import Question
from apikeys.gate.scopes import effective
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.verdict import Limit, Verdict
from momentry.common.errors import CODES

Document = dict[str, Any]


class Step(NamedTuple):
    """One check as ``explain`` shows it; ``codes`` are the refusals it can make."""

    number: int
    name: str
    codes: tuple[str, ...]


# The table of DESIGN §5, as far as it applies to a key in a body: exactly one credential is given.
STEPS: Final = (
    Step(2, "address", ("ip_blocked",)),
    Step(3, "secret", ("invalid_key",)),
    Step(4, "life", ("key_revoked", "key_quarantined", "key_disabled", "key_expired")),
    Step(5, "member", ("member_suspended",)),
    Step(6, "network", ("ip_not_allowed",)),
    Step(7, "resource", ("insufficient_scope", "upstream_forbidden", "model_forbidden")),
    Step(8, "burst", ("rate_limited",)),
    Step(9, "quota", ("quota_exceeded",)),
)
REMEDIES: Final = {
    "ip_blocked": "Staff remove or narrow the IP rule that blocks this address.",
    "invalid_key": "Send the key exactly as it was issued, or issue a new one.",
    "key_revoked": "A revoked key stays revoked: issue a new one.",
    "key_quarantined": "The key has leaked: issue a new one.",
    "key_disabled": "Enable the key.",
    "key_expired": "Give the key a later end, or issue a new one.",
    "member_suspended": "Resume the member.",
    "ip_not_allowed": "Call from one of the key's networks and say so in ip, or add the network.",
    "insufficient_scope": "Give the key the scope that detail names.",
    "upstream_forbidden": "Grant the upstream, method and path to the tier, member and key.",
    "model_forbidden": "Grant the model to the tier, member and key, or name one that is granted.",
    "rate_limited": "Wait until reset_at or until a call ends, lower cost, or raise the limit.",
    "quota_exceeded": "Wait until reset_at if there is one, ask for less, or raise the limit.",
}
UNITS: Final = {
    "second": "requests",
    "minute": "requests",
    "concurrent": "concurrent-requests",
    "daily": "requests",
    "monthly": "requests",
    "lifetime": "requests",
}
BUDGETS: Final = {name: metric for (metric, _), name in LIMIT_NAMES.items() if metric != "requests"}


def report(
    question: Question, verdict: Verdict, key: KeySnapshot | None, hold: str | None = None
) -> Document:
    """``key`` only when its secret was proven: nothing is told of one that was not."""
    document = {
        "valid": verdict.ok,
        "code": verdict.code or None,
        "detail": detail_of(verdict),
        **(about(key) if key is not None else dict.fromkeys(ABOUT)),
        "limits": limits_of(question, verdict, key),
    }
    if question.hold is not None:
        document["hold"] = hold
    if question.explain:
        document["checks"] = explain(verdict)
    return document


def render(
    question: Question, verdict: Verdict, key: KeySnapshot | None, hold: str | None = None
) -> bytes:
    """report() as JSON, without making again what is the same in each answer about this key."""
    if key is None or question.explain or not verdict.ok or question.hold is not None:
        return to_json(report(question, verdict, key, hold))
    said, free = fixed(key)
    limits = [to_json(limited(limit)) for limit in verdict.limits]
    if free:
        limits.append(free)
    return b'{"valid":true,"code":null,"detail":null,%b,"limits":[%b]}' % (said, b",".join(limits))


def fixed(key: KeySnapshot) -> tuple[bytes, bytes]:
    """What is said of the key and of the limits it has not: members of an object and a list."""
    kept = key.kept
    if kept is not None and kept.report is not None:
        return kept.report
    made = to_json(about(key))[1:-1], to_json(unlimited_of(key))[1:-1]
    if kept is not None:
        kept.report = made
    return made


def to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


ABOUT: Final = ("key_id", "owner", "key_type", "role", "scopes", "metadata", "tier")


def about(key: KeySnapshot) -> Document:
    owner = None
    if key.member_id is not None:
        owner = {"id": str(key.member_id), "username": key.username}
    return {
        "key_id": str(key.key_id),
        "owner": owner,
        "key_type": key.key_type,
        "role": key.role or None,
        "scopes": sorted(effective(key.scopes, key.role, key.key_type)),
        "metadata": key.metadata or {},
        "tier": key.tier or None,
    }


def detail_of(verdict: Verdict) -> str | None:
    if verdict.ok:
        return None
    return verdict.detail or f"{CODES[verdict.code].title}."


def limits_of(question: Question, verdict: Verdict, key: KeySnapshot | None) -> list[Document]:
    """Every limit that was looked at; those the member has not are said to be unlimited."""
    if key is None or not (verdict.ok or verdict.limits):
        return []
    unknown = unlimited_of(key) if question.hold is None else unlimited_of(key, UNITS | BUDGETS)
    return [limited(limit) for limit in verdict.limits] + unknown


def unlimited_of(key: KeySnapshot, units: dict[str, str] = UNITS) -> list[Document]:
    member = [window.name for window in key.windows if window.subject.startswith("member:")]
    counted = (*key.quotas, *key.budgets)
    member += [LIMIT_NAMES[q[1:3]] for q in counted if q.subject.startswith("member:")]
    return [unlimited(name, unit) for name, unit in units.items() if name not in member]


def limited(limit: Limit) -> Document:
    return {
        "name": limit.name,
        "unit": limit.unit,
        "is_rate_limited": True,
        "limit": limit.limit,
        "remaining": limit.remaining,
        "reset_at": limit.reset_at.isoformat() if limit.reset_at else None,
    }


def unlimited(name: str, unit: str) -> Document:
    return {
        "name": name,
        "unit": unit,
        "is_rate_limited": False,
        "limit": None,
        "remaining": None,
        "reset_at": None,
    }


def explain(verdict: Verdict) -> list[Document]:
    """Every check in its order; after the one that failed nothing was looked at."""
    checks: list[Document] = []
    outcome = "passed"
    for step in STEPS:
        failed = verdict.code in step.codes
        checks.append(
            {
                "number": step.number,
                "check": step.name,
                "outcome": "failed" if failed else outcome,
                "code": verdict.code if failed else None,
                "remedy": REMEDIES[verdict.code] if failed else None,
            }
        )
        outcome = "not_reached" if failed else outcome
    return checks
