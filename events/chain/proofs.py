"""A proof that a process of ours recorded an event: by a key of the ring, until it is sealed.

Whoever writes the database without the ring can make none, and the sealer seals nothing without.
"""

import base64
from functools import lru_cache
from typing import Final

from events.chain.canon import Fact, proof_of
from momentry.common.crypto.errors import TamperedError, UnknownKeyError
from momentry.common.crypto.keyring import KeyRing, get_ring

PURPOSE: Final = "event proof"


@lru_cache(maxsize=4)  # derived once for each ring
def keys_of(ring: KeyRing) -> dict[str, bytes]:
    return dict(zip(ring.ids, ring.derive_all(PURPOSE), strict=True))


def prove(fact: Fact, details: str | None) -> str:
    """``<key id>.<base64url>`` under the newest key."""
    ring = get_ring()
    return written(ring.newest, keys_of(ring)[ring.newest], fact, details)


def check_proof(proof: str, fact: Fact, details: str | None) -> None:
    """UnknownKeyError where the ring lacks its key, TamperedError where it proves nothing."""
    ident = proof.rpartition(".")[0]
    if not ident:
        raise TamperedError("it has no proof that it was recorded here")
    key = keys_of(get_ring()).get(ident)
    if key is None:
        raise UnknownKeyError(f"its proof was made under key {ident}, which the ring lacks")
    if written(ident, key, fact, details) != proof:  # no secret is compared with a guess here
        raise TamperedError("its proof is not of what it says")


def written(ident: str, key: bytes, fact: Fact, details: str | None) -> str:
    made = base64.urlsafe_b64encode(proof_of(key, fact, details)).decode().rstrip("=")
    return f"{ident}.{made}"
