"""Which key and digest a secret proved here: facts that never change, so nothing here grows stale.

Whether the digest still opens the key is the snapshot's to say. Kept is no secret but its mark
under a key of this process, by which nobody can tell the secret.
"""

import hashlib
import os
from typing import Final, NamedTuple
from uuid import UUID

from momentry.common.veil import veils

MAX_ENTRIES: Final = 16_384
MARK_BYTES: Final = 32


@veils("digest")
class Proof(NamedTuple):
    key_id: UUID
    digest: str


class Proofs:
    __slots__ = ("key", "known")

    def __init__(self) -> None:
        self.key = os.urandom(64)
        self.known: dict[bytes, Proof] = {}

    def find(self, secret: str) -> Proof | None:
        return self.known.get(self.mark(secret)) if self.known else None

    def add(self, secret: str, key_id: UUID, digest: str) -> None:
        if len(self.known) >= MAX_ENTRIES:
            self.known.clear()
        self.known[self.mark(secret)] = Proof(key_id, digest)

    def mark(self, secret: str) -> bytes:
        text = secret.encode(errors="surrogatepass")  # JSON can carry what no key holds
        return hashlib.blake2b(text, key=self.key, digest_size=MARK_BYTES).digest()
