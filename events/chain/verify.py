"""Walks the chain from what retention left to its end, and names the first row that is not as it
was sealed. Changes nothing; sealer and retention may be at work meanwhile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.utils import timezone

from events.chain import rows
from events.chain.canon import NOTHING, Link, details_mac, follow
from events.chain.erasing import check_mark
from events.chain.judging import Verdict, judge
from events.chain.rows import Sealed
from events.chain.state import BrokenError, Ends, UnprovableError, read_ends
from momentry.common.crypto.errors import EnvelopeError, UnknownKeyError

NAMED: Final = 20


@dataclass(slots=True)
class Report:
    """``erased``: rows whose details we erased; the chain holds without them. ``late``: rows that
    wait for a key that the ring here lacks; ``locked``: rows whose details, or the mark of their
    erasure, do not open here for the same reason, and what is to be said of the first. ``refused``:
    events that prove nothing, the first of them by name."""

    base: Link
    head: Link
    rows: int = 0
    erased: int = 0
    waiting: int = 0
    late: int = 0
    locked: int = 0
    first_locked: str = ""
    refused: int = 0
    named: list[UUID] = field(default_factory=list)


class Walk:
    """One verification. ``heads``: ends of the chain as they were told, by their places."""

    def __init__(self, heads: Sequence[Link] = ()) -> None:
        self.ends = known_ends(heads)
        self.report = Report(self.ends.base, self.ends.head)
        self.place = self.ends.base
        self.heads: dict[int, set[bytes]] = {}
        for head in heads:
            self.heads.setdefault(head.seq, set()).add(head.hash)
            if head.seq > self.ends.head.seq:
                raise BrokenError(
                    f"The chain ends at row {self.ends.head.seq}: what came after it up to row"
                    f" {head.seq} was cut off."
                )

    def run(self) -> Report:
        """BrokenError at the first row that is not as it was sealed, UnprovableError where that
        cannot be said."""
        self.compare_head(self.place)
        for row in self.sealed():
            self.check(row)
            self.place = row.link
            self.compare_head(row.link)
            self.report.rows += 1
        self.check_end()
        self.look_at_waiting()
        self.tell_unprovable()
        return self.report

    def tell_unprovable(self) -> None:
        """After all else: what cannot be said hides nothing that can."""
        if not self.report.refused and (said := list(self.unprovable())):
            raise UnprovableError("\n".join(said))

    def unprovable(self) -> Iterator[str]:
        report = self.report
        if report.locked:
            yield (
                f"All else is whole, but the details of {report.locked} rows cannot be opened,"
                f" first of {report.first_locked}"
            )
        count, first = rows.lost_rows(self.ends.lost)
        if count:
            yield (
                f"All else is whole, but {count} rows up to {self.ends.lost}, the first of them"
                f" event {first}, are from before the chain was begun anew."
            )
        if report.late:
            yield f"All else is whole, but {report.late} wait for a key that the ring here lacks."
        if self.heads:  # all others were met
            yield (
                f"Row {max(self.heads)} is no more: retention let go rows up to {report.base.seq}."
                " The rest is whole."
            )

    def sealed(self) -> Iterator[Sealed]:
        """Rows that stand at their place or after it; those that retention lets go meanwhile are
        not missing."""
        for row in rows.all_sealed(self.place.seq, self.ends.head.seq):
            if row.link.seq != self.place.seq + 1:
                self.move_on()
            if row.link.seq > self.report.base.seq:
                yield row

    def move_on(self) -> None:
        ends = read_ends()
        if ends is not None and ends.base.seq > self.place.seq:
            self.place = self.report.base = ends.base

    def check(self, row: Sealed) -> None:
        seq = self.place.seq + 1
        if row.link.seq < seq:
            raise BrokenError(
                f"Row {row.link.seq} stands twice: event {row.fact.id} was not sealed by us."
            )
        if row.link.seq != seq:
            self.name_missing(seq, row.link.seq - 1)
        right = follow(self.ends.key_for(seq), self.place, row.fact, row.details_mac)
        if right.hash != row.link.hash:
            stray = self.stray(row.link.hash)
            if stray is not None:
                raise BrokenError(
                    f"Row {seq} was moved: event {stray.fact.id} belongs there and stands at"
                    f" {stray.link.seq}; event {row.fact.id} is in its place."
                )
            raise BrokenError(f"Row {seq}, event {row.fact.id}, was altered.")
        self.check_details(row)

    def check_details(self, row: Sealed) -> None:
        where = f"row {row.link.seq}, event {row.fact.id},"
        try:
            if row.envelope is None:
                self.check_erased(row, where)
                return
            details = rows.opened(row.fact.id, row.envelope)
        except UnknownKeyError as error:
            self.report.locked += 1
            self.report.first_locked = self.report.first_locked or f"{where} {error}"
            return
        except EnvelopeError:
            raise BrokenError(f"The details of {where} were altered: they do not open.") from None
        key = self.ends.key_for(row.link.seq)
        if details_mac(key, row.fact.id, details) != row.details_mac:
            raise BrokenError(f"The details of {where} were altered.")

    def check_erased(self, row: Sealed, where: str) -> None:
        """UnknownKeyError where the ring here cannot tell whether we did it."""
        if row.details_mac == NOTHING:
            return
        try:
            check_mark(row.fact.id, row.erasure or "")
        except UnknownKeyError:
            raise
        except EnvelopeError:
            raise BrokenError(f"The details of {where} were taken away, not by us.") from None
        self.report.erased += 1

    def name_missing(self, first: int, last: int) -> None:
        stray = self.stray(None)
        if stray is not None:
            raise BrokenError(
                f"Row {first} was moved: event {stray.fact.id} belongs there and stands at"
                f" {stray.link.seq}."
            )
        which = f"Row {first} is" if first == last else f"Rows {first} to {last} are"
        raise BrokenError(f"{which} missing.")

    def stray(self, stored: bytes | None) -> Sealed | None:
        """The row that was sealed at the next place and stands elsewhere, with its hash or without
        (``stored`` is the hash found at the place)."""
        key = self.ends.key_for(self.place.seq + 1)
        for row in rows.all_sealed(self.place.seq, rows.LAST):
            if follow(key, self.place, row.fact, row.details_mac).hash in {row.link.hash, stored}:
                return row
        return None

    def compare_head(self, link: Link) -> None:
        if self.heads.pop(link.seq, {link.hash}) != {link.hash}:
            raise BrokenError(f"Row {link.seq} is another than the one that was told then.")

    def check_end(self) -> None:
        if self.place.seq < self.ends.head.seq:
            self.move_on()
        if self.place.seq < self.ends.head.seq:
            self.name_missing(self.place.seq + 1, self.ends.head.seq)
        if self.place.seq == self.ends.head.seq and self.place != self.ends.head:
            raise BrokenError(f"Row {self.place.seq} is not the one that was sealed last.")
        if found := rows.beyond():
            raise BrokenError(f"Row {found[0]}, event {found[1]}, was not sealed by us.")
        if found := rows.forged(self.report.base.seq, self.ends.lost):
            raise BrokenError(
                f"Row {found[0]}, event {found[1]}, was not sealed by us: no row is left up to"
                f" {self.report.base.seq}."
            )

    def look_at_waiting(self) -> None:
        for each in judge(rows.all_unsealed(), timezone.now()):
            if each.verdict is Verdict.PROVED:
                self.report.waiting += 1
            elif each.verdict is Verdict.LATE:
                self.report.late += 1
            else:
                self.report.refused += 1
                if self.report.refused <= NAMED:
                    self.report.named.append(each.row.fact.id)


def known_ends(heads: Sequence[Link]) -> Ends:
    """Of a chain that has begun. UnprovableError before that, unless its end was told once."""
    ends = read_ends()
    if ends is not None:
        return ends
    if heads:
        raise BrokenError(f"There is no chain, and once it had come to row {heads[0].seq}.")
    raise UnprovableError("No event was sealed yet: has a relay run?")
