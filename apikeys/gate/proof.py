"""Check 3: does the secret open a key? Wrong and unknown ones count against the address. Pure."""

import math
from collections.abc import Generator
from typing import Any, Final

from apikeys import keyformat
from apikeys.digest import CorruptDigest, Peppers
from apikeys.gate.checks import Refusal
from apikeys.gate.effects import CountFailure, Effect, LoadKey, MayLookUp, Proven
from apikeys.gate.lockout import Permit
from apikeys.gate.snapshot import KeySnapshot

Proving = Generator[Effect, Any, KeySnapshot | Refusal]

INVALID: Final = Refusal("invalid_key")


def prove(address: str, secret: str, peppers: Peppers) -> Proving:
    """The key that the secret opens, or a refusal. A malformed secret is refused without asking
    anybody and without counting; a locked address still passes with a right one."""
    parsed = keyformat.parse(secret)
    if parsed is None:
        return INVALID
    permit: Permit = yield MayLookUp(address, secret)
    if not permit.allowed:
        return locked_out(permit.locked)
    snapshot: KeySnapshot | None = yield LoadKey(parsed.key_id)
    if snapshot is None or not proves(secret, snapshot, peppers):
        return (yield from count_failure(address, permit))
    yield Proven(address, secret)
    return snapshot


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


def proves(secret: str, snapshot: KeySnapshot, peppers: Peppers) -> bool:
    """All digests are looked at, so that time does not tell which one matched."""
    return True in [matches(secret, digest, peppers) for digest in snapshot.digests]


def matches(secret: str, digest: str, peppers: Peppers) -> bool:
    try:
        return peppers.matches(secret, digest)
    except CorruptDigest:
        return False
