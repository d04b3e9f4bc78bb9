"""What a person decides of the chain: another key, events that prove nothing, a new beginning."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from events.chain import rows, state
from events.chain.canon import NOWHERE, Link
from events.chain.erasing import erase
from events.chain.judging import Judged, Verdict, judge
from events.chain.sealer import SUBJECT, chained, keep
from events.chain.state import UnprovableError
from events.chainmodels import AuditKey, Chain
from events.kinds import Kind
from events.services import record
from momentry.common.crypto.errors import EnvelopeError, UnknownKeyError

LAST: Final = "SELECT seq, hash FROM events_event WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1"
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
        state.write_ends(ends, replace(ends, keys=(*ends.keys, key)))
        details = {"seq": ends.head.seq, "hash": ends.head.hash.hex(), "key": key.id}
        record(Kind.CHAIN_CHECKPOINT, actor=actor, subject=SUBJECT, **details)
    return ends.head


@transaction.atomic
def accept_refused(*, actor: str, with_lost_keys: bool = False) -> list[UUID]:
    """Events that prove nothing are sealed as they stand; details that do not open are erased.
    Those that would open with another ring only ``with_lost_keys``."""
    state.lock()
    ends = state.read_ends() or state.begin()
    found = list(acceptable(with_lost_keys))
    if found:
        erase([each.row.fact.id for each in found if is_shut(each)])
        keep(ends, chained(ends, found))
        names = [str(each.row.fact.id) for each in found[:NAMED]]
        record(Kind.CHAIN_MENDED, actor=actor, subject=SUBJECT, accepted=len(found), events=names)
    return [each.row.fact.id for each in found]


def is_shut(each: Judged) -> bool:
    return each.row.envelope is not None and each.details is None


def acceptable(with_lost_keys: bool) -> Iterator[Judged]:
    for each in judge(rows.all_unsealed(), timezone.now()):
        if each.verdict is not Verdict.REFUSED:
            continue
        try:
            yield each._replace(details=rows.opened(each.row.fact.id, each.row.envelope))
        except UnknownKeyError:
            if with_lost_keys:
                yield each
        except EnvelopeError:
            yield each


@transaction.atomic
def restart(*, actor: str) -> Link:
    """A new chain, with a new key, behind the last sealed row there is. What is before it can be
    proved no more; it stays as long as other events do."""
    state.lock()
    found = rows.fetch(LAST)
    after = Link(found[0][0], rows.stored(found[0][1])) if found else NOWHERE
    AuditKey.objects.all().delete()
    Chain.objects.all().delete()
    state.begin(after)
    record(Kind.CHAIN_MENDED, actor=actor, subject=SUBJECT, restarted_behind=after.seq)
    return after
