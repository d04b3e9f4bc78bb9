"""Do the request log's rows and its batches tell the same? Every row belongs to one batch of its
own transaction (xmin), and a batch has as many rows as it says."""

from datetime import datetime
from uuid import UUID

from tests.gateway.conftest import Database

EMPTY = """
SELECT b.process, b.seq, b.rows, coalesce(r.rows, 0)
  FROM apikeys_logbatch b
  LEFT JOIN (SELECT xmin::text AS made, count(*) AS rows FROM apikeys_requestlog
              WHERE ts >= %s::timestamptz - interval '1 hour' GROUP BY 1) r ON r.made = b.xmin::text
 WHERE b.created_at >= %s AND b.rows <> coalesce(r.rows, 0)"""
ORPHANS = """
SELECT id FROM apikeys_requestlog r WHERE key_id = %s
   AND NOT EXISTS (SELECT 1 FROM apikeys_logbatch b WHERE b.xmin::text = r.xmin::text)"""
IDS = "SELECT id::text FROM apikeys_requestlog WHERE key_id = %s"


def now(database: Database) -> datetime:
    ((found,),) = database.fetch("SELECT now()")
    assert isinstance(found, datetime)
    return found


def key_id(secret: str) -> UUID:
    return UUID(secret.split("_")[1])


def ids(database: Database, secret: str) -> list[str]:
    """Of this key's rows, as often as they stand there."""
    return [str(row[0]) for row in database.fetch(IDS, key_id(secret))]


def faults(database: Database, secret: str, since: datetime) -> list[tuple[object, ...]]:
    """Batches of this time with more or fewer rows than they say, and rows of no batch."""
    return database.fetch(EMPTY, since, since) + database.fetch(ORPHANS, key_id(secret))
