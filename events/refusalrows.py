"""Rows of refusals become tallies: taken away and counted in one statement. A flood is thousands of
rows of few networks, and what comes here of it is their number."""

from typing import Final

from django.db import connection

# As momentry.common.throttle.block_of names it: an IPv4 address, or the /64 of an IPv6 one.
NETWORK: Final = """
CASE WHEN client_address IS NULL THEN ''
     WHEN family(client_address) = 4 THEN host(client_address)
     WHEN client_address <<= '::ffff:0.0.0.0/96'
     THEN host('0.0.0.0'::inet + (client_address - '::ffff:0.0.0.0'::inet))
     ELSE host(network(set_masklen(client_address, 64))) || '/64'
END
"""
# Beyond %(most)s networks of a code and hour a new one is counted with all others, under ''. Keys
# and staff are not so many that they need it.
COUNT: Final = f"""
WITH taken AS (
  DELETE FROM events_refusal
   WHERE id IN (SELECT id FROM events_refusal ORDER BY id LIMIT %(batch)s)
  RETURNING *
), found AS (
  SELECT taken.*, date_trunc('hour', at, 'UTC') AS hour, {NETWORK} AS network FROM taken
), met AS (
  SELECT hour, code, network, min(id) AS id FROM found
   WHERE key_id IS NULL AND staff_id IS NULL GROUP BY 1, 2, 3
), known AS (
  SELECT hour, code, count(*) AS number, array_agg(network) AS networks
    FROM events_refusaltally
   WHERE key_id IS NULL AND staff_id IS NULL AND hour IN (SELECT hour FROM met) GROUP BY 1, 2
), beyond AS (
  SELECT hour, code, network
    FROM (SELECT met.*, coalesce(number, 0)
                        + row_number() OVER (PARTITION BY hour, code ORDER BY id) AS place
            FROM met LEFT JOIN known USING (hour, code)
           WHERE network <> ALL (coalesce(networks, '{{}}'))) unknown
   WHERE place > %(most)s
), counted AS (
  INSERT INTO events_refusaltally AS tally
         (hour, code, network, key_id, staff_id, member_id, count, first_at, last_at, requests)
  SELECT found.hour, found.code,
         CASE WHEN beyond.code IS NULL THEN found.network ELSE '' END, key_id, staff_id,
         (array_agg(member_id ORDER BY id))[1], sum(count), min(at), max(at),
         coalesce(to_jsonb((array_agg(request_id ORDER BY id)
                            FILTER (WHERE request_id IS NOT NULL))[1:%(samples)s]), '[]')
    FROM found
    LEFT JOIN beyond ON found.key_id IS NULL AND found.staff_id IS NULL
     AND (found.hour, found.code, found.network) = (beyond.hour, beyond.code, beyond.network)
   GROUP BY 1, 2, 3, 4, 5
  ON CONFLICT (hour, code, network, key_id, staff_id) DO UPDATE
     SET count = tally.count + excluded.count,
         last_at = greatest(CASE WHEN tally.count > 0 THEN tally.last_at END, excluded.last_at),
         first_at = least(CASE WHEN tally.count > 0 THEN tally.first_at END, excluded.first_at),
         requests = CASE WHEN tally.count = 0 THEN excluded.requests ELSE
                      jsonb_path_query_array(tally.requests || excluded.requests,
                        '$[0 to $last]', jsonb_build_object('last', %(samples)s - 1)) END
)
SELECT count(*) FROM taken
"""  # noqa: S608  our own words


def count_rows(batch: int, *, most: int, samples: int) -> int:
    """How many were taken; at most ``batch``, the oldest. For one caller at a time."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"batch": batch, "most": most, "samples": samples})
        (taken,) = cursor.fetchone()
    return int(taken)
