"""Rows of events as the chain reads and writes them: by hand, some thousands at a time."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

from events.chain.canon import EPOCH, Fact, Link
from events.models import Event

BATCH: Final = 2000
LAST: Final = 2**63 - 1
# A time that Python has not (infinity, BC) is none: one row keeps no sealer from the others.
FACT: Final = """
id, kind, actor, subject, request_id,
CASE WHEN occurred_at BETWEEN '0001-01-02Z' AND '9999-12-30Z' THEN occurred_at END"""
UNSEALED: Final = f"""
SELECT {FACT}, details, proof FROM events_event
 WHERE seq IS NULL AND (%s::uuid IS NULL OR id > %s) ORDER BY id LIMIT %s
"""  # noqa: S608  our own names
SEALED: Final = f"""
SELECT {FACT}, details, erasure, seq, hash, details_mac FROM events_event
 WHERE seq > %s AND seq <= %s ORDER BY seq FETCH FIRST %s ROWS WITH TIES
"""  # noqa: S608  as above
HASH: Final = "SELECT hash FROM events_event WHERE seq = %s"
SEAL: Final = """
UPDATE events_event AS e SET seq = s.seq, hash = s.hash, details_mac = s.mac, proof = ''
  FROM unnest(%s::uuid[], %s::bigint[], %s::bytea[], %s::bytea[]) AS s(id, seq, hash, mac)
 WHERE e.id = s.id AND e.seq IS NULL
"""
# The chain's end and what is behind it in one snapshot: the sealer goes on meanwhile.
BEYOND: Final = """
SELECT e.seq, e.id FROM events_event AS e, events_chain AS c
 WHERE e.seq > c.head_seq ORDER BY e.seq LIMIT 1
"""


# What stands before the chain's beginning: retention leaves nothing there, a restart does.
FORGED: Final = """
SELECT seq, id FROM events_event WHERE seq <= %s AND (seq > %s OR seq < 1) ORDER BY seq LIMIT 1
"""
LOST: Final = """
SELECT count(*), (array_agg(id ORDER BY seq))[1] FROM events_event WHERE seq BETWEEN 1 AND %s
"""
NO_MAC: Final = b"?"
"""In place of one that is NULL: nothing of ours is like it."""


class Waiting(NamedTuple):
    """An event that is not sealed yet."""

    fact: Fact
    envelope: str | None
    proof: str


class Sealed(NamedTuple):
    fact: Fact
    envelope: str | None
    erasure: str | None
    link: Link
    details_mac: bytes


class Chained(NamedTuple):
    """What sealing writes into one row."""

    id: UUID
    link: Link
    details_mac: bytes


def unsealed(after: UUID | None, most: int) -> list[Waiting]:
    """In the order of their ids. A row that is committed late has an id before those that are
    sealed already; it is found all the same, for it has no place yet."""
    return [Waiting(fact_from(row[:6]), *row[6:]) for row in fetch(UNSEALED, after, after, most)]


def all_unsealed() -> Iterator[Waiting]:
    after = None
    while batch := unsealed(after, BATCH):
        yield from batch
        after = batch[-1].fact.id


def sealed(after: int, last: int, most: int) -> list[Sealed]:
    """Places behind ``after`` up to ``last``, in their order; of a place all that claim it."""
    return [
        Sealed(fact_from(row[:6]), row[6], row[7], Link(row[8], stored(row[9])), stored(row[10]))
        for row in fetch(SEALED, after, last, most)
    ]


def all_sealed(after: int, last: int) -> Iterator[Sealed]:
    """Some thousands are in memory at a time, and the connection is free between them."""
    while batch := sealed(after, last, BATCH):
        yield from batch
        after = batch[-1].link.seq


def hash_at(seq: int) -> bytes | None:
    found = fetch(HASH, seq)
    return stored(found[0][0]) if found else None


def forged(base: int, lost: int) -> tuple[int, UUID] | None:
    """The first row that claims a place that was let go."""
    found = fetch(FORGED, base, lost)
    return (found[0][0], found[0][1]) if found else None


def lost_rows(lost: int) -> tuple[int, UUID | None]:
    """How many there are from before a restart, and the first."""
    count, first = fetch(LOST, lost)[0]
    return int(count), first


def beyond() -> tuple[int, UUID] | None:
    """The first row that claims a place behind the chain's end."""
    found = fetch(BEYOND)
    return (found[0][0], found[0][1]) if found else None


def write(links: list[Chained]) -> int:
    """How many rows it wrote: all, unless some were sealed or went meanwhile."""
    return execute(
        SEAL,
        [each.id for each in links],
        [each.link.seq for each in links],
        [each.link.hash for each in links],
        [each.details_mac for each in links],
    )


def fact_from(columns: Sequence[Any]) -> Fact:
    """Of what was recorded nothing is NULL: with one that is, it says nothing we ever signed."""
    if None in columns:
        return Fact(columns[0], "", "", "", "", EPOCH)
    return Fact(*columns)


def stored(value: Any) -> bytes:
    return NO_MAC if value is None else bytes(value)


def fact_of(event: Event) -> Fact:
    at: datetime = event.occurred_at
    return Fact(event.pk, event.kind, event.actor, event.subject, event.request_id, at)


def opened(event: UUID, envelope: str | None) -> str | None:
    """Its details. Raises EnvelopeError."""
    field: Any = Event._meta.get_field("details")
    text: str | None = None if envelope is None else field.unseal(event, envelope)
    return text


def execute(sql: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def fetch(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
