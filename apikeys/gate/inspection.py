"""POST /api/v1/keys/verify: the gate asked about a key by somebody else than its holder. Pure.

The caller is trusted and is judged like any request; here the key it shows is judged by the same
checks. Wrong secrets count against nobody: the address of the caller did not guess them.
"""

from collections.abc import Generator
from typing import Any, Final, NamedTuple

from apikeys import keyformat
from apikeys.gate.checks import Refusal
from apikeys.gate.credential import Credential
from apikeys.gate.effects import Effect, IsBlocked, Recall
from apikeys.gate.holds import LEFT
from apikeys.gate.judge import Policy, refused, weigh
from apikeys.gate.opening import may_be_foreign, open_foreign, open_own, opens, upgrade_of
from apikeys.gate.proof import INVALID
from apikeys.gate.question import Question
from apikeys.gate.report import Document, render, report
from apikeys.gate.request import GateRequest
from apikeys.gate.sealed import LIFETIME, SealedHold, seal
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.verdict import Charge, Entry, Verdict
from momentry.common.ids import uuid7

Inspecting = Generator[Effect, Any, "Inspected"]
SHOWN: Final = b"key"  # where the credential stood: in the body


class Inspected(NamedTuple):
    """What is answered, and what was taken for it. ``key`` only when its secret was proven;
    ``hold`` once it was sealed for whoever asked."""

    question: Question
    verdict: Verdict
    key: KeySnapshot | None
    hold: str | None = None

    @property
    def ok(self) -> bool:
        return self.verdict.ok

    @property
    def charges(self) -> tuple[Charge, ...]:
        return self.verdict.charges

    @property
    def entry(self) -> Entry | None:
        return self.verdict.entry

    @property
    def document(self) -> Document:
        return report(self.question, self.verdict, self.key, self.hold)

    @property
    def body(self) -> bytes:
        """The document as JSON."""
        return render(self.question, self.verdict, self.key, self.hold)

    def sealed(self, caller: str, key: bytes) -> "Inspected":
        """With the hold that was asked for, if it was taken."""
        asked, found = self.question, self.key
        if asked.hold is None or asked.dry_run or not self.ok or found is None:
            return self
        end = found.now + LIFETIME
        hold = SealedHold(uuid7(), caller, found.key_id, end, self.charges)
        return self._replace(hold=seal(hold, key))


def inspect(question: Question, policy: Policy) -> Inspecting:
    """Raises DatabaseUnavailable and Overloaded where the door does."""
    key: KeySnapshot | None = None
    if question.ip and (yield IsBlocked(question.ip)):
        verdict = refused(Refusal("ip_blocked"))
    else:
        key = yield from find_key(question, policy)
        if key is None:
            verdict = refused(INVALID)
        else:
            verdict = yield from weigh_question(question, key)
    return Inspected(question, verdict, key)


def inspect_key(question: Question, key: KeySnapshot) -> Inspecting:
    """As inspect, of a key whose secret was proven, asked about without an address."""
    return Inspected(question, (yield from weigh_question(question, key)), key)


def find_key(question: Question, policy: Policy) -> Generator[Effect, Any, KeySnapshot | None]:
    secret = question.key
    proof = policy.proofs.find(secret)
    parsed = proof or keyformat.parse(secret)
    if parsed is not None:
        known: KeySnapshot | None = yield Recall(parsed.key_id, with_metadata=True)
        if known is not None and (yield from opens(secret, proof, known, policy))[0]:
            return known
        opening = open_own(secret, parsed.key_id, policy, with_metadata=True)
    elif (yield from may_be_foreign(secret)):
        opening = open_foreign(secret, policy, with_metadata=True)
    else:
        return None
    found = yield from opening
    if found is None:
        return None
    if (again := upgrade_of(secret, found, policy)) is not None:
        yield again
    return found.key


def weigh_question(question: Question, key: KeySnapshot) -> Generator[Effect, Any, Verdict]:
    return (yield from weigh(request_of(question), key, Credential(question.key, SHOWN)))


def request_of(question: Question) -> GateRequest:
    """What would be asked of the gate if the key's holder came himself."""
    return GateRequest(
        (),
        method=question.method,
        path="",
        client=question.ip,
        upstream=question.upstream,
        rest=question.path,
        weight=question.cost,
        burst=question.cost,
        dry_run=question.dry_run,
        holds=False,
        hold=question.hold or (LEFT if question.may_use else None),
        models=lambda: question.names,
    )
