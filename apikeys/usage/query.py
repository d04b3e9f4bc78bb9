"""What was used in a span of time, grouped and filtered: roll-up and log read as one.

One statement sees one moment. Hours before the mark come from the roll-up and later ones from the
log, so nothing is told twice; the log's days are dropped only when the mark is past them.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection

from apikeys.models.usage import MEASURES
from apikeys.usage import facts
from apikeys.usage.rollup import read_mark
from apikeys.usage.spans import DAILY, DAY, HOUR, HOURLY, Part, parts

PERIODS: Final = {"hour": HOUR, "day": DAY}
FIELDS: Final = {
    "key": "key_id", "member": "member_id", "upstream": "upstream", "operation": "operation",
    "status": "status", "model": "model",
}  # fmt: skip
BUCKETS: Final = {
    "hour": "period_start", "day": "date_trunc('day', period_start, 'UTC')", **FIELDS,
}  # fmt: skip
TABLES: Final = {HOURLY: facts.HOURLY, DAILY: facts.DAILY}
TOOLS: Final = 50  # operations told of one bucket; the rest are summed as "other"
OTHER: Final = "other"
TRIES: Final = 3


# Operations are counted first, and the many rare ones of a bucket put together.
STATEMENT: Final = f"""
WITH used AS (
    {{sources}}
), tools AS (
    SELECT {{chosen}}, coalesce(nullif(operation, ''), nullif(upstream, ''), '{OTHER}') AS tool,
           {facts.SUMS} FROM used GROUP BY {{groups}}, tool
), ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY {{groups}} ORDER BY total_requests DESC, tool) AS place FROM tools
), folded AS (
    SELECT {{groups}}, CASE WHEN place <= {TOOLS} THEN tool ELSE '{OTHER}' END AS shown,
           {facts.SUMS} FROM ranked GROUP BY {{groups}}, shown
)
SELECT {{groups}}, {facts.SUMS}, jsonb_object_agg(shown, total_requests), count(*) OVER ()
  FROM folded GROUP BY {{groups}} ORDER BY {{order}} LIMIT %(limit)s OFFSET %(offset)s
"""  # noqa: S608  our names


@dataclass(frozen=True, slots=True)
class Question:
    """``start`` and ``end`` on whole UTC hours. ``groups`` of BUCKETS, ``filters`` of FIELDS."""

    start: datetime
    end: datetime
    groups: tuple[str, ...] = ("day",)
    filters: dict[str, Any] = field(default_factory=dict)

    @property
    def period(self) -> str | None:
        return next((name for name in self.groups if name in PERIODS), None)


@dataclass(frozen=True, slots=True)
class Bucket:
    """``group`` has what was grouped by besides time. ``tools``: calls by operation."""

    start: datetime
    end: datetime
    group: dict[str, Any]
    sums: dict[str, int]
    tools: dict[str, int]


def read_usage(asked: Question, *, limit: int, offset: int = 0) -> tuple[int, list[Bucket]]:
    """How many buckets there are, and some of them: newest first, then those with most calls."""
    rows: list[Any] = []
    for _ in range(TRIES):
        mark = read_mark()
        rows = fetch(*compose(asked, mark), limit=limit, offset=offset)
        if read_mark() == mark:  # else the log may have lost days that were rolled up in between
            break
    if not rows and offset:
        return read_usage(asked, limit=1)[0], []
    return (rows[0][-1] if rows else 0), [bucket_of(asked, row) for row in rows]


def fetch(statement: str, values: dict[str, Any], *, limit: int, offset: int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**values, "limit": limit, "offset": offset})
        rows: list[Any] = cursor.fetchall()
        return rows


def compose(asked: Question, mark: datetime) -> tuple[str, dict[str, Any]]:
    names = [f"g{number}" for number in range(len(asked.groups))]
    chosen = ", ".join(f"{BUCKETS[g]} AS {n}" for g, n in zip(asked.groups, names, strict=True))
    order = [f"{n} DESC" for g, n in zip(asked.groups, names, strict=True) if g in PERIODS]
    by_hour = asked.period == "hour"
    spans = parts(asked.start, asked.end, mark, by_hour=by_hour)
    sources, values = source(spans, asked.filters)
    statement = STATEMENT.format(
        sources=sources,
        chosen=chosen,
        groups=", ".join(names),
        order=", ".join([*order, "total_requests DESC", *names]),
    )
    return statement, values


def source(spans: list[Part], filters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The calls of the spans, each from where it is told."""
    values: dict[str, Any] = {f"filter_{name}": value for name, value in filters.items()}
    wanted = "".join(f" AND {FIELDS[name]} = %(filter_{name})s" for name in filters)
    selects = [f"SELECT {facts.COLUMNS} FROM {facts.HOURLY} WHERE false"]  # noqa: S608  our names
    for number, part in enumerate(spans):
        start, end = f"start_{number}", f"end_{number}"
        values |= {start: part.start, end: part.end}
        table = TABLES.get(part.source) or f"({facts.rows_of(start=start, end=end)}) calls"
        selects.append(
            f"SELECT {facts.COLUMNS} FROM {table} "  # noqa: S608  our names
            f"WHERE period_start >= %({start})s AND period_start < %({end})s{wanted}"
        )
    return " UNION ALL ".join(selects), values


def bucket_of(asked: Question, row: Any) -> Bucket:
    width = len(asked.groups)
    group = dict(zip(asked.groups, row[:width], strict=True))
    sums = dict(zip(MEASURES, row[width:-2], strict=True))
    start, end = asked.start, asked.end
    if period := asked.period:
        at = group.pop(period)
        start, end = max(start, at), min(end, at + PERIODS[period])
    return Bucket(start, end, group, sums, json.loads(row[-2]))
