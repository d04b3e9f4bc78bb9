"""What a person decides of the chain: another key, events that prove nothing, a new beginning."""

from typing import Final
from uuid import UUID

from django.db import transaction

from events.chain import rows, state
from events.chain.canon import NOWHERE, Link
from events.chain.rows import Waiting
from events.chain.sealer import SUBJECT, chained, keep, proved
from events.chain.state import Ends, UnprovableError
from events.chainmodels import AuditKey, Chain
from events.kinds import Kind
from events.services import record
from momentry.common.crypto.errors import EnvelopeError, UnknownKeyError

LAST: Final = "SELECT seq, hash FROM events_event WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1"
ERASE: Final = "UPDATE events_event SET details = NULL WHERE id = %s"
NAMED: Final = 100


@transaction.atomic
def change_key(*, actor: str) -> Link:
    """What is sealed from now on is sealed with a new key; the checkpoint at which it begins. A key
    that has sealed nothing yet is not changed. UnprovableError without a chain."""
    state.lock()
    ends = state.read_ends()
    if ends is None:
        raise UnprovableError("No event was sealed yet: has a relay run?")
    if ends.keys[-1].since <= ends.head.seq:
        key = state.make_key(since=ends.head.seq + 1)
        state.write_ends(ends, Ends(ends.base, ends.head, (*ends.keys, key)))
        details = {"seq": ends.head.seq, "hash": ends.head.hash.hex(), "key": key.id}
        record(Kind.CHAIN_CHECKPOINT, actor=actor, subject=SUBJECT, **details)
    return ends.head


@transaction.atomic
def accept_refused(*, actor: str) -> list[UUID]:
    """Events that prove nothing are sealed as they stand; details that do not open are erased."""
    state.lock()
    ends = state.read_ends() or state.begin()
    found = [(row, readable(row)) for row in rows.all_unsealed() if is_refused(row)]
    if found:
        for row, details in found:
            if row.envelope is not None and details is None:
                rows.execute(ERASE, row.fact.id)
        keep(ends, chained(ends, found))
        names = [str(row.fact.id) for row, _ in found[:NAMED]]
        record(Kind.CHAIN_MENDED, actor=actor, subject=SUBJECT, accepted=len(found), events=names)
    return [row.fact.id for row, _ in found]


def is_refused(row: Waiting) -> bool:
    try:
        proved(row)
    except UnknownKeyError:
        return False
    except EnvelopeError:
        return True
    return False


def readable(row: Waiting) -> str | None:
    try:
        return rows.opened(row.fact.id, row.envelope)
    except EnvelopeError:
        return None


@transaction.atomic
def restart(*, actor: str) -> Link:
    """A new chain, with a new key, behind the last sealed row there is. What is before it can be
    proved no more; it goes with the next purge."""
    state.lock()
    found = rows.fetch(LAST)
    after = Link(found[0][0], bytes(found[0][1])) if found else NOWHERE
    AuditKey.objects.all().delete()
    Chain.objects.all().delete()
    state.begin(after)
    record(Kind.CHAIN_MENDED, actor=actor, subject=SUBJECT, restarted_behind=after.seq)
    return after
