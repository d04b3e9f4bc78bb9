"""Walks every encrypted column: counts and opens (check), or seals anew under the newest key.

Rotation goes in key order, one statement per row, ``UPDATE … WHERE id AND value = old``: a value
that somebody wrote meanwhile is never overwritten, a kill loses nothing, and a second start goes on
with what is left, because sealed rows already name the newest key.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from django.apps import apps
from django.db import connection

from momentry.common.crypto.errors import EnvelopeError
from momentry.common.crypto.fields import EncryptedField
from momentry.common.crypto.keyring import VERSION, get_ring, key_of

BATCH: Final = 500
PASSES: Final = 5
"""Processes that still seal under an old key can undo a pass; after five the operator must look."""

Progress = Callable[[str, int, int], None]
"""Called with the column ("table.column"), rows done and rows found at its start."""


class Row(NamedTuple):
    pk: Any
    envelope: str


class Failure(NamedTuple):
    place: str
    pk: Any
    reason: str


@dataclass(slots=True)
class Tally:
    """What a walk saw: values per key id, and the rows that do not open."""

    keys: Counter[str] = field(default_factory=Counter)
    sealed: int = 0
    failures: list[Failure] = field(default_factory=list)


class Column:
    """One encrypted column; SQL by hand, because the field itself refuses such updates.

    ``but`` leaves out what begins with that text.
    """

    def __init__(self, model_field: "EncryptedField[Any, Any]", but: str = "") -> None:
        quote = connection.ops.quote_name
        self.field = model_field
        self.table = quote(model_field.table)
        self.key = quote(str(model_field.model._meta.pk.column))
        self.value = quote(str(model_field.column))
        self.but = [but] if but else []
        skip = f"NOT starts_with({self.value}, %s)" if but else f"{self.value} IS NOT NULL"
        self.source = f"FROM {self.table} WHERE {skip}"

    def __str__(self) -> str:
        return self.field.place

    def rows(self) -> Iterator[Row]:
        """In key order; the connection is free between two batches."""
        last: list[Any] = []
        while batch := self.batch(last):
            yield from batch
            last = [batch[-1].pk]

    def batch(self, last: list[Any]) -> list[Row]:
        after = f"AND {self.key} > %s" if last else ""
        sql = (
            f"SELECT {self.key}, {self.value} {self.source} {after}"
            f" ORDER BY {self.key} LIMIT {BATCH}"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [*self.but, *last])
            return [Row(*row) for row in cursor.fetchall()]

    def count(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) {self.source}", self.but)
            return int(cursor.fetchone()[0])

    def replace(self, row: Row, envelope: str) -> bool:
        """False when the row changed or went meanwhile; it is then left alone."""
        change = f"UPDATE {self.table} SET {self.value} = %s"  # noqa: S608  quoted identifiers
        sql = f"{change} WHERE {self.key} = %s AND {self.value} = %s"
        with connection.cursor() as cursor:
            cursor.execute(sql, [envelope, row.pk, row.envelope])
            return bool(cursor.rowcount == 1)


def columns(but: str = "") -> list[Column]:
    """Every encrypted column of every installed model, in a steady order."""
    found = {
        model_field.place: model_field
        for model in apps.get_models(include_auto_created=True)
        for model_field in model._meta.local_concrete_fields
        if isinstance(model_field, EncryptedField)
    }
    return [Column(found[place], but) for place in sorted(found)]


def check(progress: Progress) -> Tally:
    """Opens every envelope. Changes nothing."""
    tally = Tally()
    for column in columns():
        for row in watched(column, progress):
            tally.keys[key_of(row.envelope) or "none"] += 1
            unseal(column, row, tally)
    return tally


def rotate(progress: Progress) -> Tally:
    """Seals everything that is not under the newest key; rows that do not open stay as they are.

    ``keys`` counts what is still under another key, or unreadable, afterwards.
    """
    tally = Tally()
    for _ in range(PASSES):
        tally.keys, tally.failures = Counter(), []
        stale = columns(but=f"{VERSION}.{get_ring().newest}.")
        for column in stale:
            rotate_column(column, tally, progress)
        left = sum(column.count() for column in stale)
        if left <= len(tally.failures):
            break
    for column in stale:
        tally.keys.update(key_of(row.envelope) or "none" for row in column.rows())
    return tally


def rotate_column(column: Column, tally: Tally, progress: Progress) -> None:
    for row in watched(column, progress):
        text = unseal(column, row, tally)
        if text is not None:
            tally.sealed += column.replace(row, column.field.seal(row.pk, text))


def unseal(column: Column, row: Row, tally: Tally) -> str | None:
    try:
        return column.field.unseal(row.pk, row.envelope)
    except EnvelopeError as error:
        tally.failures.append(Failure(str(column), row.pk, str(error)))
        return None


def watched(column: Column, progress: Progress) -> Iterator[Row]:
    total = column.count()
    for done, row in enumerate(column.rows(), start=1):
        yield row
        if done % BATCH == 0 or done == total:
            progress(str(column), done, total)
