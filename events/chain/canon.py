"""What the chain of events signs: one form of a row, and the MACs over it. Pure.

Each MAC is HMAC-SHA256 over a label and parts that each have their length before them, so that no
two rows, and no two purposes, come to the same bytes.
"""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
NOTHING: Final = b""


class Fact(NamedTuple):
    """What an event says in clear, and what of it never changes."""

    id: UUID
    kind: str
    actor: str
    subject: str
    request_id: str
    occurred_at: datetime


class Link(NamedTuple):
    """A place in the chain: of a sealed row, or before the first."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"


NOWHERE: Final = Link(0, bytes(32))
"""What the first row of all is chained to."""


def proof_of(key: bytes, fact: Fact, details: str | None) -> bytes:
    """That a process of ours recorded this, details included."""
    told = NOTHING if details is None else b"\x01" + details.encode()
    return mac(key, "proof", canonical(fact), told)


def details_mac(key: bytes, event: UUID, details: str | None) -> bytes:
    """What stands for the details in the chain, so that these can be sealed anew or erased. Nothing
    for an event that never had any."""
    return NOTHING if details is None else mac(key, "details", event.bytes, details.encode())


def follow(key: bytes, before: Link, fact: Fact, details: bytes) -> Link:
    """The place of the row behind ``before``; ``details`` is their MAC."""
    seq = before.seq + 1
    return Link(seq, mac(key, "row", before.hash, number(seq), canonical(fact), details))


def ends_mac(key: bytes, key_id: UUID, lost: int, base: Link, head: Link) -> bytes:
    """That the chain begins behind ``base``, ends with ``head``, goes on under this key, and that
    rows up to ``lost`` are from before it."""
    ends = (number(lost), number(base.seq), base.hash, number(head.seq), head.hash)
    return mac(key, "ends", key_id.bytes, *ends)


def canonical(fact: Fact) -> bytes:
    texts = (fact.kind, fact.actor, fact.subject, fact.request_id)
    at = number((fact.occurred_at - EPOCH) // MICROSECOND)
    return joined(fact.id.bytes, *(text.encode() for text in texts), at)


def mac(key: bytes, label: str, *parts: bytes) -> bytes:
    return hmac.digest(key, joined(label.encode(), *parts), "sha256")


def joined(*parts: bytes) -> bytes:
    return b"".join([piece for part in parts for piece in (len(part).to_bytes(4, "big"), part)])


def number(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)
