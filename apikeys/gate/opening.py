"""Which key does a secret open, and by which of its digests? Pure.

All cheap digests are looked at, so that time does not tell which one matched; the slow ones
(Argon2id) only when none did.
"""

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from apikeys import foreign, hasher, keyformat, phc
from apikeys.digest import CorruptDigest, Peppers
from apikeys.gate.effects import (
    Damaged,
    Effect,
    FindForeign,
    IsForeign,
    LoadKey,
    ProveSlowly,
    Upgrade,
)
from apikeys.gate.proofs import Proof
from apikeys.gate.snapshot import KeySnapshot
from momentry.common.veil import veils

if TYPE_CHECKING:
    from apikeys.gate.judge import Policy

# Of no secret. What an unknown key costs where every known one costs a slow proof.
DUMMY: Final = phc.render(phc.Phc(*phc.OWN, bytes(phc.OWN_SALT), bytes(phc.OWN_HASH)))


@veils("digest")
class Opened(NamedTuple):
    key: KeySnapshot
    digest: str


Opening = Generator[Effect, Any, Opened | None]
Pairs = list[tuple[KeySnapshot, str]]


def may_be_foreign(secret: str) -> Generator[Effect, Any, bool]:
    """Is it worth a look-up, though it is no key of our own form? Asks no database."""
    return foreign.is_secret(secret) and bool((yield IsForeign(secret)))


def open_own(
    secret: str, key_id: UUID, policy: "Policy", *, with_metadata: bool = False
) -> Opening:
    key: KeySnapshot | None = yield LoadKey(key_id, with_metadata)
    found, others = compare(secret, () if key is None else (key,), policy.peppers)
    if found is not None and not others:
        return found
    return (yield from slowly(secret, found, others, policy))


def open_foreign(secret: str, policy: "Policy", *, with_metadata: bool = False) -> Opening:
    keys: tuple[KeySnapshot, ...] = yield FindForeign(secret, with_metadata=with_metadata)
    found, others = compare(secret, keys, policy.peppers)
    return (yield from slowly(secret, found, others, policy))


def slowly(secret: str, found: Opened | None, others: Pairs, policy: "Policy") -> Opening:
    """When a look at the cheap ones was not all. With Argon2id as hasher a failure costs one slow
    proof at least, whatever was found."""
    slow = yield from slow_ones(others)
    if found is not None:
        return found
    if slow or policy.hasher == hasher.ARGON2ID:
        digests = tuple(digest for _, digest in slow) or (DUMMY,)
        proven: str | None = yield ProveSlowly(secret, digests)
        for key, digest in slow:
            if digest == proven:
                return Opened(key, digest)
    return None


def opens(
    secret: str, proof: Proof | None, known: KeySnapshot, policy: "Policy"
) -> Generator[Effect, Any, tuple[bool, Pairs]]:
    """Does the secret open a remembered key? And the digests that a cheap look could not tell."""
    if proof is not None and proof.digest in known.digests:
        return True, []
    found, others = compare(secret, (known,), policy.peppers)
    if found is not None:
        policy.proofs.add(secret, known.key_id, found.digest)
        if (again := upgrade_of(secret, found, policy)) is not None:
            yield again
    return found is not None, others


def still_opens(secret: str, known: KeySnapshot, policy: "Policy") -> Generator[Effect, Any, bool]:
    """Does the secret that opened this key before open it as it is now, by any of its digests?"""
    proof = policy.proofs.find(secret)
    is_open, _ = yield from opens(secret, proof, known, policy)
    if is_open:
        return True
    parsed = proof or keyformat.parse(secret)
    opening = open_own(secret, parsed.key_id, policy) if parsed else open_foreign(secret, policy)
    found = yield from opening
    return found is not None and found.key.key_id == known.key_id


def compare(
    secret: str, keys: Iterable[KeySnapshot], peppers: Peppers
) -> tuple[Opened | None, Pairs]:
    """The cheap digests, all of them, in constant time; and those that are none."""
    found: Opened | None = None
    others: Pairs = []
    for key in keys:
        for digest in key.digests:
            try:
                is_equal = peppers.matches(secret, digest)
            except CorruptDigest:
                if foreign.STORED.fullmatch(digest) is None or not foreign.is_secret(secret):
                    others.append((key, digest))
                    continue
                is_equal = foreign.matches(secret, digest)
            if is_equal and found is None:
                found = Opened(key, digest)
    return found, others


def slow_ones(others: Pairs) -> Generator[Effect, Any, Pairs]:
    """Those of Argon2id; what nobody can read raises an alarm."""
    slow: Pairs = []
    for key, digest in others:
        if is_slow(digest):
            slow.append((key, digest))
        elif digest != foreign.ONLY:
            yield Damaged(key.key_id)
    return slow


def is_slow(digest: str) -> bool:
    try:
        phc.parse(digest)
    except phc.InvalidPhc:
        return False
    return True


def upgrade_of(secret: str, found: Opened, policy: "Policy") -> Upgrade | None:
    """What to ask for when the digest has not the form of today."""
    if hasher.is_current(found.digest, policy.hasher, policy.peppers):
        return None
    return Upgrade(secret, found.key.key_id, found.digest)
