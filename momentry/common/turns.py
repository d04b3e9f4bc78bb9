"""What rounds did, added up in the database for /metrics: over all relays, and over restarts."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from django.db import connection

COUNT: Final = """
INSERT INTO common_roundcount AS known (name, turns, failures, seconds, turned_at)
SELECT name, turns, failures, seconds, CASE WHEN turns > failures THEN clock_timestamp() END
  FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::float8[])
    AS new (name, turns, failures, seconds)
 ORDER BY name
ON CONFLICT (name) DO UPDATE
   SET turns = known.turns + excluded.turns, failures = known.failures + excluded.failures,
       seconds = known.seconds + excluded.seconds,
       turned_at = coalesce(excluded.turned_at, known.turned_at)
"""


class Tally(NamedTuple):
    """Of one round; ``turns`` counts those that failed too."""

    name: str
    turns: int
    failures: int
    seconds: float


def count(tallies: Iterable[Tally]) -> None:
    columns = [list(column) for column in zip(*tallies, strict=True)]
    if columns:
        with connection.cursor() as cursor:
            cursor.execute(COUNT, columns)
