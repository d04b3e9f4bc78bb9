"""Tells every process of new keys, of which no trigger tells: as soon as they are committed, and
before the answer, which waits for the fence (wait.py).
"""

from collections.abc import Iterable
from functools import partial
from typing import Final
from uuid import UUID

from django.db import connection, transaction

MOST: Final = 1000  # more are told as "all", as the triggers do
KEYS: Final = "SELECT momentry_fence_note('key', subject) FROM unnest(%s::text[]) AS subject"
ALL: Final = "SELECT momentry_fence_note('all', '')"


def note_keys(key_ids: Iterable[UUID]) -> None:
    """In the transaction that makes them; in a statement of its own, which locks the fence only
    for its own moment."""
    transaction.on_commit(partial(tell, [str(key_id) for key_id in key_ids]), robust=True)


def tell(subjects: list[str]) -> None:
    if not subjects:
        return
    with connection.cursor() as cursor:
        if len(subjects) > MOST:
            cursor.execute(ALL)
        else:
            cursor.execute(KEYS, [subjects])
