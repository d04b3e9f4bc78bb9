"""Old events go, from the chain's beginning on, and the rest stays provable: a checkpoint, the
place and the hash of the last row that went, is what the first one left is chained to.

What goes is proved before: evidence of a break is never let go. Rows go in their order, so one that
is too young, or has a time in the future, keeps what follows. Rows from before a restart, which
nothing proves, go beside by their age.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from events.chain import rows, state
from events.chain.canon import Link, follow
from events.chain.rows import Sealed
from events.chain.sealer import SUBJECT
from events.chain.state import BrokenError, Ends
from events.kinds import Kind
from events.services import record

BATCH: Final = 5000
DELETE: Final = "DELETE FROM events_event WHERE seq > %s AND seq <= %s"
LOST: Final = "FROM events_event WHERE seq <= %s AND occurred_at < %s"
DELETE_LOST: Final = f"""
DELETE FROM events_event WHERE id IN (SELECT id {LOST} ORDER BY seq LIMIT %s)
"""  # noqa: S608  our own words


def purge_events(now: datetime, days: int, *, actor: str) -> int:
    """How many went. BrokenError where the chain is broken: the rows from there on stay."""
    before, gone = now - timedelta(days=days), 0
    for step in (let_lost_go, let_go):
        while number := step(before, actor):
            gone += number
    return gone


def count_due(now: datetime, days: int) -> int:
    """What a purge would let go."""
    ends = state.read_ends()
    if ends is None:
        return 0
    before = now - timedelta(days=days)
    lost = rows.fetch(f"SELECT count(*) {LOST}", ends.lost, before)[0][0]
    found = rows.all_sealed(ends.base.seq, ends.head.seq)
    return int(lost) + sum(1 for _ in due(found, before))


@transaction.atomic
def let_lost_go(before: datetime, actor: str) -> int:
    """Up to BATCH rows from before a restart; how many. When none is left, none may come back."""
    state.lock()
    ends = state.read_ends()
    if ends is None or not ends.lost:
        return 0
    gone = rows.execute(DELETE_LOST, ends.lost, before, BATCH)
    if not rows.lost_rows(ends.lost)[0]:
        state.write_ends(ends, replace(ends, lost=0))
    if gone:
        tell(ends.base, gone, actor)
    return gone


@transaction.atomic
def let_go(before: datetime, actor: str) -> int:
    """Up to BATCH rows; how many."""
    state.lock()
    ends = state.read_ends()
    if ends is None:
        return 0
    old = list(due(rows.sealed(ends.base.seq, ends.head.seq, BATCH), before))
    base = proved_end(ends, old)
    if base == ends.base:
        if old:
            raise BrokenError(
                f"Row {base.seq + 1} is not as it was sealed (see audit_verify): it stays, and so"
                " does what follows."
            )
        return 0
    state.write_ends(ends, replace(ends, base=base))
    gone = rows.execute(DELETE, ends.base.seq, base.seq)
    if gone != base.seq - ends.base.seq:
        raise BrokenError(f"A row up to {base.seq} stands twice (see audit_verify): all stay.")
    tell(base, gone, actor)
    return gone


def tell(base: Link, gone: int, actor: str) -> None:
    details = {"seq": base.seq, "hash": base.hash.hex(), "rows": gone}
    record(Kind.CHAIN_CHECKPOINT, actor=actor, subject=SUBJECT, **details)


def due(some: Iterable[Sealed], before: datetime) -> Iterator[Sealed]:
    for row in some:
        if row.fact.occurred_at >= before:
            return
        yield row


def proved_end(ends: Ends, some: Iterable[Sealed]) -> Link:
    """The last of these up to which all are as they were sealed."""
    place = ends.base
    for row in some:
        right = follow(ends.key_for(place.seq + 1), place, row.fact, row.details_mac)
        if right != row.link:
            break
        place = right
    return place
