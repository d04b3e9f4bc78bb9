"""Details are erased for good, and the chain still proves their rows.

The erasure leaves a mark that is sealed under the ring for its row: who writes the database without
the ring can take details away, but cannot make it look like this.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from events.chain import rows
from events.chain.judging import proved
from events.chain.proofs import prove
from events.chain.rows import Waiting
from events.models import Event
from momentry.common.crypto.errors import EnvelopeError

BATCH: Final = 1000
HELD: Final = f"""
SELECT {rows.FACT}, details, proof, seq FROM events_event
 WHERE id = ANY(%s) AND details IS NOT NULL ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608  our own names
ERASE: Final = """
UPDATE events_event AS e SET details = NULL, erasure = s.erasure, proof = s.proof
  FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS s(id, erasure, proof) WHERE e.id = s.id
"""


@transaction.atomic
def erase(events: Sequence[UUID]) -> int:
    """How many had details. Their sealer waits meanwhile, if it is at one of them."""
    gone = 0
    for start in range(0, len(events), BATCH):
        found = rows.fetch(HELD, list(events[start : start + BATCH]))
        ids = [row[0] for row in found]
        marks = [mark_for(event) for event in ids]
        gone += rows.execute(ERASE, ids, marks, [proof_after(row) for row in found])
    return gone


def mark_for(event: UUID) -> str:
    """It says when, for people; that it opens in its row is what counts."""
    field: Any = Event._meta.get_field("erasure")
    return str.__str__(field.seal(event, timezone.now().isoformat()))


def check_mark(event: UUID, mark: str) -> None:
    """EnvelopeError where it is none."""
    field: Any = Event._meta.get_field("erasure")
    field.unseal(event, mark)


def proof_after(held: tuple[Any, ...]) -> str:
    """Of a row that is not sealed yet: that it was recorded here, without the details. One that did
    not prove that before does not do so now."""
    *fact, envelope, proof, seq = held
    if seq is not None:
        return str(proof)
    row = Waiting(rows.fact_from(fact), envelope, proof)
    try:
        proved(row)
    except EnvelopeError:
        return str(proof)
    return prove(row.fact, None)
