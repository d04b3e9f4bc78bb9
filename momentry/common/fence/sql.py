"""The fence between a change that narrows rights and every process that remembers them. Pure.

A change raises ``generation`` as the last thing before its COMMIT (the triggers of migration
common.0002 do it, so nobody can forget); a process says how far it has followed. Whoever changed
something waits until every live process has acknowledged, or its lease has run out.
"""

from typing import Final

CHANNEL: Final = "momentry_fence"
RENEW_SECONDS: Final = 0.3

# FOR SHARE: a renewal that races a change either waits for it and sees it, or is seen by its
# waiter. Without it a process could start to remember between the two. The last column changes
# where the database may be another than before: restarted, failed over or restored.
RENEW: Final = """
WITH held AS MATERIALIZED (
    SELECT generation, tableoid FROM common_fence WHERE id = 1 FOR SHARE
), renewed AS (
    INSERT INTO common_fenceprocess (id, acked, expires_at)
    SELECT %(process)s, %(applied)s, clock_timestamp() + %(lease)s * interval '1 second' FROM held
    ON CONFLICT (id) DO UPDATE SET acked = excluded.acked, expires_at = excluded.expires_at
)
SELECT generation, clock_timestamp(), concat(pg_postmaster_start_time(), tableoid,
  (SELECT oid FROM pg_database WHERE datname = current_database())) FROM held
"""
# A statement of its own: RENEW may have waited for a change that its own snapshot cannot see.
CHANGES: Final = """
SELECT kind, subject, (SELECT min(generation) FROM common_fencechange)
  FROM common_fencechange WHERE generation > %(applied)s AND generation <= %(generation)s
"""
LEAVE: Final = "DELETE FROM common_fenceprocess WHERE id = %(process)s"
BEGIN: Final = "INSERT INTO common_fence (id, generation) VALUES (1, 1) ON CONFLICT DO NOTHING"

BEHIND: Final = """
SELECT count(*) FROM common_fenceprocess
 WHERE acked < %(generation)s AND expires_at > clock_timestamp()
"""
# Both at once: whoever is not in this snapshot renewed after it, and so saw the generation.
LOOK: Final = """
SELECT generation, (SELECT count(*) FROM common_fenceprocess
                     WHERE acked < generation AND expires_at > clock_timestamp())
  FROM common_fence WHERE id = 1
"""
