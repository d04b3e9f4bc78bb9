"""Seals events: what is committed and has no place yet gets the next one, by one sealer at a time.

A place is given after the commit, in the order in which the sealer finds rows. So nobody who
records an event waits for anybody, a rolled-back one leaves no hole, and one that is committed
late, with an older id, is simply behind what was sealed before.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from events.chain import rows, state
from events.chain.canon import Link, details_mac, follow
from events.chain.judging import Judged, Verdict, judge
from events.chain.rows import BATCH, Chained
from events.chain.state import BrokenError, Ends
from events.kinds import Kind
from events.services import record

logger = logging.getLogger(__name__)

ACTOR: Final = "relay"
SUBJECT: Final = "chain:events"
# A sealer that hangs in its transaction holds the lock; after this the server ends it.
IDLE: Final = "SET LOCAL idle_in_transaction_session_timeout = '30s'"
NAMED: Final = 5


class Turn(NamedTuple):
    """One transaction: how many rows it sealed, whose it did not, and where the next begins."""

    sealed: int
    refused: tuple[UUID, ...]
    last: UUID | None
    head: Link | None = None


class Sealer:
    """One process's. It remembers how far the chain had come, so it sees when it is shorter."""

    def __init__(self) -> None:
        self.seen: Link | None = None
        self.refused: frozenset[UUID] = frozenset()
        self.said: set[str] = set()

    def seal(self, is_over: Callable[[], bool] = lambda: False) -> int:
        """Seal all there is; how many rows. Nothing while another sealer is at it. ``is_over``: is
        the process to end? BrokenError and UnprovableError where the chain cannot go on."""
        total, after = 0, None
        refused: list[UUID] = []
        while not is_over():
            try:
                turn = self.turn(after)
            except BrokenError as error:
                self.alarm(str(error))
                raise
            total += turn.sealed
            refused += turn.refused
            if turn.last is None:
                break
            after = turn.last
        self.tell_refused(frozenset(refused))
        return total

    def turn(self, after: UUID | None) -> Turn:
        turn, trouble = seal_some(after, self.seen)
        self.seen = turn.head or self.seen
        if trouble:
            self.alarm(trouble)
        return turn

    def tell_refused(self, refused: frozenset[UUID]) -> None:
        """Only what is new: the same rows are refused in each round."""
        if new := sorted(refused - self.refused):
            names = ", ".join(str(each) for each in new[:NAMED])
            self.alarm(f"{len(new)} events cannot be proved and are not sealed: {names}")
        self.refused = refused

    def alarm(self, reason: str) -> None:
        """Once for each reason in a process's life."""
        if reason in self.said:
            return
        self.said.add(reason)
        logger.error("The chain of events is not as it was left: %s", reason)
        with transaction.atomic():
            record(Kind.CHAIN_BROKEN, actor=ACTOR, subject=SUBJECT, reason=reason)


@transaction.atomic
def seal_some(after: UUID | None, seen: Link | None) -> tuple[Turn, str]:
    """Up to BATCH rows with ids behind ``after``, and what is wrong with the chain's end. They are
    chained by their times: within a millisecond ids have no order."""
    if not state.try_lock():
        return Turn(0, (), None), ""
    with connection.cursor() as cursor:
        cursor.execute(IDLE)
    ends = state.read_ends() or state.begin()
    waiting = rows.unsealed(after, BATCH)
    judged = list(judge(waiting, timezone.now()))
    good = [each for each in judged if each.verdict is Verdict.PROVED]
    refused = tuple(each.row.fact.id for each in judged if each.verdict is Verdict.REFUSED)
    links = chained(ends, sorted(good, key=lambda each: each.row.fact.occurred_at))
    head = links[-1].link if links else ends.head
    trouble = trouble_of(ends, seen)
    if links:
        keep(ends, links)
    last = waiting[-1].fact.id if len(waiting) == BATCH else None
    return Turn(len(links), refused, last, head), trouble


def chained(ends: Ends, good: Iterable[Judged]) -> list[Chained]:
    made: list[Chained] = []
    place, key = ends.head, ends.keys[-1].secret
    for row, _, details in good:
        told = details_mac(key, row.fact.id, details)
        place = follow(key, place, row.fact, told)
        made.append(Chained(row.fact.id, place, told))
    return made


def keep(ends: Ends, links: list[Chained]) -> None:
    if rows.write(links) != len(links):
        raise BrokenError("Rows were sealed or taken away while they were being sealed.")
    state.write_ends(ends, replace(ends, head=links[-1].link), sealed_at=timezone.now())


def trouble_of(ends: Ends, seen: Link | None) -> str:
    """What can be told at once; audit_verify tells all."""
    if seen is not None and seen != ends.head:
        if ends.head.seq <= seen.seq:
            return f"It had come to {seen} and ends at {ends.head}."
        now = ends.base.hash if seen.seq == ends.base.seq else rows.hash_at(seen.seq)
        if seen.seq >= ends.base.seq and now != seen.hash:
            return f"It had come to {seen}, and row {seen.seq} is another now."
    if ends.head.seq > ends.base.seq and rows.hash_at(ends.head.seq) != ends.head.hash:
        return f"Row {ends.head.seq}, its last, is missing or altered."
    return ""
