"""Check 3: does the secret open a key? Wrong and unknown ones count against the address. Pure."""

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from apikeys import keyformat
from apikeys.gate.checks import Refusal
from apikeys.gate.effects import CountFailure, Effect, MayLookUp, Proven, Recall
from apikeys.gate.lockout import Permit
from apikeys.gate.opening import may_be_foreign, open_foreign, open_own, opens, upgrade_of
from apikeys.gate.snapshot import KeySnapshot
from apikeys.hasher import ARGON2ID

if TYPE_CHECKING:
    from apikeys.gate.judge import Policy

Proving = Generator[Effect, Any, KeySnapshot | Refusal]

INVALID: Final = Refusal("invalid_key")


def prove(address: str, secret: str, policy: "Policy") -> Proving:
    """The key that the secret opens, or a refusal. What is no key's text is refused without asking
    anybody and without counting; a locked address still passes with a right one."""
    proof = policy.proofs.find(secret)
    parsed = proof or keyformat.parse(secret)
    if parsed is None and not (yield from may_be_foreign(secret)):
        return INVALID
    known: KeySnapshot | None = (yield Recall(parsed.key_id)) if parsed else None
    if known is not None:
        is_open, others = yield from opens(secret, proof, known, policy)
        if is_open:
            return known
        # A slow proof must be allowed as a look-up is; where chosen, each failure costs one.
        if not others and policy.hasher != ARGON2ID:
            return (yield from count_failure(address, Permit(True)))
    key_id = parsed.key_id if parsed else None
    permit: Permit = yield MayLookUp(address, secret, key_id)
    if not permit.allowed:
        return locked_out(permit.locked)
    opening = open_own(secret, parsed.key_id, policy) if parsed else open_foreign(secret, policy)
    found = yield from opening
    if found is None:
        return (yield from count_failure(address, permit))
    yield Proven(address, secret, key_id)
    if (again := upgrade_of(secret, found, policy)) is not None:
        yield again
    return found.key


def count_failure(address: str, permit: Permit) -> Generator[Effect, Any, Refusal]:
    """The failure that completes the number is still told as what it is; those after it not."""
    left: float = permit.locked or (yield CountFailure(address))
    return locked_out(left) if left > 0 else INVALID


def locked_out(seconds: float) -> Refusal:
    wait = max(1, math.ceil(seconds))
    return Refusal(
        "locked_out",
        f"Too many wrong keys came from this address; wait {wait} seconds.",
        {"retry_after": wait},
    )
