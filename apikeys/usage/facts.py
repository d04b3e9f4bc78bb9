"""The SQL of usage: what a row of the request log contributes, and how periods are summed.

Only our own names are formatted into statements; values are always parameters.
"""

from typing import Final

from apikeys.models import DailyUsage, HourlyUsage
from apikeys.models.usage import DIMENSIONS, MEASURES
from apikeys.requestlog.row import TABLE as LOG

HOURLY: Final = HourlyUsage._meta.db_table
DAILY: Final = DailyUsage._meta.db_table
KEYS: Final = ", ".join(DIMENSIONS)
VALUES: Final = ", ".join(MEASURES)
SUMS: Final = ", ".join(f"sum({name})::bigint AS {name}" for name in MEASURES)
COLUMNS: Final = f"period_start, {KEYS}, {VALUES}"

# A slug that nobody was granted and that reached no target is whatever a client wrote in a path.
ROWS: Final = """
SELECT date_trunc('hour', ts, 'UTC') AS period_start, key_id, member_id,
       CASE WHEN target <> '' OR upstream IN (SELECT upstream FROM apikeys_grant)
            THEN upstream ELSE '' END AS upstream,
       operation, model, status, 1 AS total_requests,
       (status BETWEEN 200 AND 299)::int AS successful_requests,
       (status BETWEEN 400 AND 599)::int AS failed_requests,
       coalesce(round(total_ms * 1000)::bigint, 0) AS total_response_time_us,
       coalesce(tokens_in, 0) AS tokens_in, coalesce(tokens_out, 0) AS tokens_out,
       coalesce(tokens_cached, 0) AS tokens_cached,
       coalesce(tokens_reasoning, 0) AS tokens_reasoning,
       coalesce(cost_micro, 0) AS cost_micro, bytes_in, bytes_out
  FROM {table} WHERE ts >= %({start})s AND ts < %({end})s
"""


def rows_of(table: str = LOG, *, start: str = "start", end: str = "end") -> str:
    """One row per call, in the columns of the roll-up; ``start`` and ``end`` name parameters."""
    return ROWS.format(table=table, start=start, end=end)


def insert_hours(table: str = LOG) -> str:
    return f"INSERT INTO {HOURLY} ({COLUMNS}) " + summed_hours(table)


def add_hours(table: str) -> str:
    """To what is there already."""
    more = ", ".join(f"{name} = {HOURLY}.{name} + EXCLUDED.{name}" for name in MEASURES)
    return insert_hours(table) + f"ON CONFLICT (period_start, {KEYS}) DO UPDATE SET {more}"


def summed_hours(table: str) -> str:
    return (
        f"SELECT period_start, {KEYS}, {SUMS} FROM ({rows_of(table)}) calls "  # noqa: S608  our names
        f"GROUP BY period_start, {KEYS} "
    )


DELETE_HOUR: Final = f"DELETE FROM {HOURLY} WHERE period_start = %(start)s"  # noqa: S608  our name
DELETE_DAY: Final = f"DELETE FROM {DAILY} WHERE period_start = %(start)s"  # noqa: S608  our name
INSERT_DAY: Final = f"""
INSERT INTO {DAILY} ({COLUMNS})
SELECT %(start)s, {KEYS}, {SUMS} FROM {HOURLY}
 WHERE period_start >= %(start)s AND period_start < %(end)s
 GROUP BY {KEYS}
"""  # noqa: S608  our names
ROLLED: Final = f"""
SELECT coalesce(sum(total_requests), 0)::bigint FROM {HOURLY} WHERE period_start = %(start)s
"""  # noqa: S608  our name


def behind(table: str = LOG) -> str:
    """Hours of the table's rows that the roll-up has fewer of.

    Rows of the log are only ever added, so equal counts are equal rows. An hour with fewer rows
    than were rolled up lost them (its table is gone): what was rolled up stays.
    """
    return f"""
WITH logged AS (
    SELECT date_trunc('hour', ts, 'UTC') AS hour, count(*) AS number
      FROM {table} WHERE ts >= %(start)s AND ts < %(end)s GROUP BY 1
), rolled AS (
    SELECT period_start AS hour, sum(total_requests) AS number
      FROM {HOURLY} WHERE period_start >= %(start)s AND period_start < %(end)s GROUP BY 1
)
SELECT hour FROM logged LEFT JOIN rolled USING (hour)
 WHERE logged.number > coalesce(rolled.number, 0) ORDER BY hour
"""  # noqa: S608  our names
