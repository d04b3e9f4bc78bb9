"""Calling a round of the relay (momentry/relay.py) when there is something for it to do.

A call that is lost costs the round's pause, no more: what there is to do stands in a row.
"""

from dataclasses import dataclass
from typing import Final

from django.db import Error, connection, transaction

CHANNEL: Final = "momentry_relay"


@dataclass(frozen=True, slots=True)
class Call:
    """What is done after the commit. In a statement of its own: a NOTIFY within the transaction
    would have all that notify commit one after the other, each waiting for the disk."""

    name: str

    def __call__(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, self.name])
        except Error:
            return  # the change is committed; the round finds it by itself


def call(name: str) -> None:
    """Have the round look as soon as this transaction is committed: once for each transaction, and
    not at all when it is rolled back."""
    one = Call(name)
    if not any(one == waiting[1] for waiting in connection.run_on_commit):
        transaction.on_commit(one, robust=True)
