"""What rounds did, added up in the database for /metrics: over all relays, and over restarts."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from django.db import connection

COUNT: Final = """
INSERT INTO common_roundcount AS known (name, turns, failures, seconds, turned_at, named_at)
SELECT name, turns, failures, seconds,
       CASE WHEN turns > failures OR came_on THEN clock_timestamp() END, clock_timestamp()
  FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::float8[], %s::bool[])
    AS new (name, turns, failures, seconds, came_on)
 ORDER BY name
ON CONFLICT (name) DO UPDATE
   SET turns = known.turns + excluded.turns, failures = known.failures + excluded.failures,
       seconds = known.seconds + excluded.seconds,
       turned_at = coalesce(excluded.turned_at, known.turned_at), named_at = excluded.named_at
"""


class Tally(NamedTuple):
    """Of one round; ``turns`` counts those that failed too. ``came_on``: one lasts, and did a
    step."""

    name: str
    turns: int
    failures: int
    seconds: float
    came_on: bool = False


def count(tallies: Iterable[Tally]) -> None:
    columns = [list(column) for column in zip(*tallies, strict=True)]
    if columns:
        with connection.cursor() as cursor:
            cursor.execute(COUNT, columns)
