"""A database of the request log's own: what is tested there runs on several connections, or takes
tables out of the log, so nothing can be rolled back."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from apikeys.models.usage import DIMENSIONS, MEASURES
from apikeys.requestlog.insert import ENSURE_PARTITION, INSERT
from apikeys.requestlog.row import LogRow
from momentry.common.ids import uuid7
from tests.gateway.conftest import Database

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NOON = 12 * HOUR
ALICE, BOB = UUID(int=0xA), UUID(int=0xB)
TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relkind = 'r'
   AND c.relname ~ '^apikeys_requestlog_[0-9]' ORDER BY 1
"""
EMPTY = """
TRUNCATE apikeys_requestlog, apikeys_hourlyusage, apikeys_dailyusage, apikeys_usagemark,
         apikeys_loggedday, apikeys_logbatch
"""
# What the log itself says, written independently of the roll-up's SQL.
LOGGED = """
SELECT ts, key_id, member_id, CASE WHEN target <> '' THEN upstream ELSE '' END, operation, model,
       status, total_ms, tokens_in, tokens_out, tokens_cached, tokens_reasoning, cost_micro,
       bytes_in, bytes_out FROM apikeys_requestlog
"""


def call(ts: datetime, **given: Any) -> LogRow:
    values: dict[str, Any] = {"method": "GET", "path": "/x", "status": 200, "id": uuid7()}
    return LogRow(ts=ts, **values | given)


def log(*rows: LogRow) -> None:
    """Over Django's connection."""
    with connection.cursor() as cursor:
        for day in {row.ts.astimezone(UTC).date() for row in rows}:
            cursor.execute(ENSURE_PARTITION, [day])
        cursor.executemany(INSERT, rows)
        cursor.execute("SELECT pg_stat_force_next_flush()")  # else statistics are seconds late


def day(number: int) -> datetime:
    """Midnight so many days before the present one."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - number * DAY


def tables(house: Database) -> list[str]:
    return [str(name) for (name,) in house.fetch(TABLES)]


def empty(house: Database) -> None:
    drops = [f"DROP TABLE {name}" for name in tables(house)]
    house.execute(f"DO $$ BEGIN {'; '.join([EMPTY, *drops])}; END $$")


def logged(place: int | None = None) -> Counter[Any]:
    """Sums of the measures by one dimension of the log, or over all of it."""
    with connection.cursor() as cursor:
        cursor.execute(LOGGED)
        rows = cursor.fetchall()
    return summed((row[1 + place] if place is not None else "all", facts(row)) for row in rows)


def told(*rows: LogRow) -> Counter[Any]:
    """What these rows of nobody add to the sums."""
    return summed(
        (
            "all",
            facts((*[None] * 6, row.status, row.total_ms, *[0] * 5, row.bytes_in, row.bytes_out)),
        )
        for row in rows
    )


def facts(row: Any) -> list[int]:
    status, total_ms, *rest = row[6:]
    ok, failed = int(200 <= status <= 299), int(400 <= status <= 599)
    return [1, ok, failed, round((total_ms or 0) * 1000), *(value or 0 for value in rest)]


def rolled(table: str, place: int | None = None) -> Counter[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join((*DIMENSIONS, *MEASURES))} FROM apikeys_{table}usage")
        rows = cursor.fetchall()
    width = len(DIMENSIONS)
    return summed((row[place] if place is not None else "all", row[width:]) for row in rows)


def summed(pairs: Iterable[tuple[Any, Iterable[int]]]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for name, values in pairs:
        for measure, value in zip(MEASURES, values, strict=True):
            found[name, measure] += value
    return +found  # without what is 0


def table(number: int) -> str:
    return f"apikeys_requestlog_{day(number):%Y%m%d}"


def ten_days() -> None:
    """Two calls on each of the last ten days and one today."""
    for number in range(11):
        log(call(day(number), total_ms=float(number)))
        if number:
            log(call(day(number - 1) - timedelta(microseconds=1), status=500))
