"""The request log's tables, one for each UTC day: listed, made ahead, taken out of the log.

A table leaves in two steps of PostgreSQL's own: it is marked as leaving, then, when nobody uses it
any more, it has left. Neither makes a writer wait. A run that died in between is gone on with.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from django.db import connection

from apikeys.requestlog.row import TABLE as LOG

DAYS_AHEAD: Final = 7
NAME: Final = re.compile(rf"{LOG}_([0-9]{{8}})(?:_[0-9]+)?", re.ASCII)
MAKE: Final = "SELECT momentry_request_log_partition(%s)"
LIST: Final = """
SELECT c.relname, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false),
       pg_stat_get_tuples_inserted(c.oid)
  FROM pg_class c
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = to_regclass(%s)
 WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(%s))
   AND c.relkind = 'r' AND starts_with(c.relname, %s)
 ORDER BY c.relname
"""


class DayTable(NamedTuple):
    """``attached``: its rows are in the log. ``leaving``: a detach began and did not end."""

    name: str
    day: date
    attached: bool
    leaving: bool
    inserts: int


def day_tables() -> list[DayTable]:
    """In the order of their days; a day's first table before one that was made again."""
    with connection.cursor() as cursor:
        cursor.execute(LIST, [LOG, LOG, f"{LOG}_"])
        rows = cursor.fetchall()
    found = [(NAME.fullmatch(name), rest) for name, *rest in rows]
    return [DayTable(match[0], day_of(match[1]), *rest) for match, rest in found if match]


def day_of(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()


def attached_days() -> list[tuple[date, int]]:
    """Days of the log, and how many rows the statistics saw coming into each."""
    return [(table.day, table.inserts) for table in day_tables() if table.attached]


def make_ahead(today: date, days: int = DAYS_AHEAD) -> int:
    """Tables for today and as many days more; how many were made."""
    before = len(day_tables())
    with connection.cursor() as cursor:
        for ahead in range(days + 1):
            cursor.execute(MAKE, [today + timedelta(days=ahead)])
    return len(day_tables()) - before


def detach(table: DayTable) -> None:
    """Out of the log, in autocommit. OperationalError after ``lock_timeout``: begun, not ended."""
    how = "FINALIZE" if table.leaving else "CONCURRENTLY"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {LOG} DETACH PARTITION {table.name} {how}")
