"""Retention of counters: days and months that ended long ago. Lifetimes never end."""

from datetime import datetime
from typing import Any, Final

from django.db import connection

KEPT: Final = {"day": "400 days", "month": "25 months"}  # after its end
BATCH: Final = 5_000

# Leases are given back within a second of a period's end: one that is there still is somebody's.
DELETE: Final = """
DELETE FROM apikeys_counter WHERE id IN (
    SELECT id FROM apikeys_counter c
     WHERE period = %(period)s AND leased = 0
       AND period_start < %(now)s - %(kept)s::interval - ('1 ' || %(period)s)::interval
       AND NOT EXISTS (SELECT FROM apikeys_lease l WHERE l.counter_id = c.id)
     LIMIT %(most)s
       FOR UPDATE SKIP LOCKED
)"""


def purge_counters(now: datetime) -> int:
    """Outside of a transaction, so that each batch is one. How many there were."""
    return sum(purge_period(now, period, kept) for period, kept in KEPT.items())


def purge_period(now: datetime, period: str, kept: str) -> int:
    gone = 0
    with connection.cursor() as cursor:
        while True:
            values: dict[str, Any] = {"now": now, "period": period, "kept": kept, "most": BATCH}
            cursor.execute(DELETE, values)
            deleted: int = cursor.rowcount
            gone += deleted
            if deleted < BATCH:
                return gone
