"""The statements about imported secrets and about digests in another form than today's. Pure."""

from typing import Any, Final
from uuid import UUID

from apikeys.foreign import MAX_CANDIDATES, lookups
from apikeys.gate import snapshot
from apikeys.gate.effects import FindForeign, Upgrade
from apikeys.gate.snapshot import SNAPSHOT_SQL, KeySnapshot

# SNAPSHOT_SQL for all keys that a secret may open, each with the one digest that it must prove.
NOBODY: Final = UUID(int=0)
COLUMNS, REST = SNAPSHOT_SQL.split("\n  FROM apikeys_apikey k\n")
JOINS, _ = REST.split("\n WHERE ")
FOREIGN_SQL: Final = f"""{COLUMNS}, f.digest
  FROM (SELECT id, key_id, digest, length(lookup) AS narrow, starts_with(lookup, 'text:') AS wide
          FROM apikeys_foreignsecret
         WHERE lookup = ANY(%(lookups)s)
           AND (ends_at IS NULL OR ends_at > statement_timestamp())
         ORDER BY wide, narrow DESC, id
         LIMIT {MAX_CANDIDATES}) f
  JOIN apikeys_apikey k ON k.id = f.key_id
{JOINS}
 ORDER BY f.wide, f.narrow DESC, f.id
"""  # noqa: S608  constants
# From one format to the next in the index: many rows have few formats, and this is asked often.
FORMATS_SQL: Final = """
WITH RECURSIVE known(format) AS (
    (SELECT format FROM apikeys_foreignsecret ORDER BY format LIMIT 1)
    UNION ALL
    SELECT (SELECT f.format FROM apikeys_foreignsecret f
             WHERE f.format > known.format ORDER BY f.format LIMIT 1)
      FROM known WHERE known.format IS NOT NULL)
SELECT format FROM known WHERE format IS NOT NULL
"""
# Does anything that may still be proven take a slow proof? By indexes of these rows alone.
SLOW: Final = r"digest ~ '^\$argon2id\$'"
HAS_SLOW_SQL: Final = f"""
SELECT EXISTS (SELECT FROM apikeys_apikey WHERE {SLOW})
    OR EXISTS (SELECT FROM apikeys_retiredsecret
                WHERE {SLOW} AND ends_at > statement_timestamp())
    OR EXISTS (SELECT FROM apikeys_foreignsecret
                WHERE {SLOW} AND (ends_at IS NULL OR ends_at > statement_timestamp()))
"""  # noqa: S608  constants
# Whichever row holds the old text; one that changed meanwhile, or went, is left alone.
UPGRADE_SQL: Final = """
WITH own AS (
    UPDATE apikeys_apikey SET digest = %(new)s WHERE id = %(key_id)s AND digest = %(old)s),
retired AS (
    UPDATE apikeys_retiredsecret SET digest = %(new)s
     WHERE key_id = %(key_id)s AND digest = %(old)s)
UPDATE apikeys_foreignsecret SET digest = %(new)s WHERE key_id = %(key_id)s AND digest = %(old)s
"""


def parameters(effect: FindForeign) -> dict[str, Any]:
    """What FOREIGN_SQL is sent; the key's id is not looked at."""
    values = snapshot.parameters(NOBODY, with_metadata=effect.with_metadata)
    return values | {"lookups": lookups(effect.secret)}


def from_rows(rows: list[tuple[Any, ...]]) -> tuple[KeySnapshot, ...]:
    return tuple(snapshot.from_row(row[:-1])._replace(digests=(row[-1],)) for row in rows)


def upgrade_parameters(effect: Upgrade, digest: str) -> dict[str, Any]:
    return {"key_id": effect.key_id, "old": effect.digest, "new": digest}
