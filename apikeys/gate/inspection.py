"""POST /api/v1/keys/verify: the gate asked about a key by somebody else than its holder. Pure.

The caller is trusted and is judged like any request; here the key it shows is judged by the same
checks. Wrong secrets count against nobody: the address of the caller did not guess them.
"""

from collections.abc import Generator
from typing import Any, Final, NamedTuple

from apikeys import keyformat
from apikeys.gate.checks import Refusal
from apikeys.gate.credential import Credential
from apikeys.gate.effects import Effect, IsBlocked, LoadKey
from apikeys.gate.judge import Policy, refused, weigh
from apikeys.gate.proof import INVALID, proves
from apikeys.gate.question import Question
from apikeys.gate.report import report
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.verdict import Charge, Verdict

Inspecting = Generator[Effect, Any, "Inspected"]
SHOWN: Final = b"key"  # where the credential stood: in the body


class Inspected(NamedTuple):
    """The document that is answered, and what was charged for it."""

    document: dict[str, Any]
    charges: tuple[Charge, ...]


def inspect(question: Question, policy: Policy) -> Inspecting:
    """Raises DatabaseUnavailable where the door does."""
    key: KeySnapshot | None = None
    if question.ip and (yield IsBlocked(question.ip)):
        verdict = refused(Refusal("ip_blocked"))
    else:
        key = yield from find_key(question, policy)
        if key is None:
            verdict = refused(INVALID)
        else:
            verdict = yield from weigh_question(question, key)
    return Inspected(report(question, verdict, key), verdict.charges)


def find_key(question: Question, policy: Policy) -> Generator[Effect, Any, KeySnapshot | None]:
    parsed = keyformat.parse(question.key)
    if parsed is None:
        return None
    key: KeySnapshot | None = yield LoadKey(parsed.key_id, with_metadata=True)
    return key if key is not None and proves(question.key, key, policy.peppers) else None


def weigh_question(question: Question, key: KeySnapshot) -> Generator[Effect, Any, Verdict]:
    request = GateRequest(
        (),
        method=question.method,
        path="",
        client=question.ip,
        upstream=question.upstream,
        rest=question.path,
        weight=question.cost,
        dry_run=question.dry_run,
    )
    return (yield from weigh(request, key, Credential(question.key, SHOWN)))
