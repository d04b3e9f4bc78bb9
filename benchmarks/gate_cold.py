"""The cold verification: one statement and its snapshot, in milliseconds. Run by gate.py."""

import statistics
import time
from itertools import cycle, islice

import psycopg
from django.db import connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from stage import Bounds

from apikeys.gate.snapshot import SNAPSHOT_SQL, from_row, parameters

TURNS = 9
MOST = 3.0  # milliseconds
RATIO = "{:,} keys / {:,}"


def measure(url: str, few: int, many: int, bounds: Bounds) -> None:
    clone_keys(url, few)
    furnish(url)
    full = copy_database(url)
    clone_keys(full, many)
    print("\ncold verification, one statement and its snapshot: milliseconds, median of turns")
    bounds.check(RATIO.format(many, few), compare(url, full, few, many, bounds), most=1.1)
    furnish(full)
    print("the same with grants and retired secrets in the full table")
    bounds.check(RATIO.format(many, few), compare(url, full, few, many, bounds))


def copy_database(url: str) -> str:
    """A copy on the same server, under the name ``full``."""
    connections.close_all()
    source = str(conninfo_to_dict(url)["dbname"])
    with psycopg.connect(url, dbname="template1", autocommit=True) as connection:
        # Those of Django's pool: a template must have no sessions.
        connection.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = %s",
            [source],
        )
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(copy.format(sql.Identifier("full"), sql.Identifier(source)))
    return make_conninfo(url, dbname="full")


CLONE = """
INSERT INTO apikeys_apikey ({names})
SELECT {values} FROM apikeys_apikey k, generate_series(1, %(missing)s)
 WHERE k.id = (SELECT id FROM apikeys_apikey WHERE key_type = 'user' AND digest IS NOT NULL LIMIT 1)
"""
GRANTS = """
INSERT INTO apikeys_grant (key_id, upstream, methods, paths, created_at)
SELECT id, 'echo', '{}', '{}', now() FROM apikeys_apikey
 WHERE hashtext(id::text) % 10 = 0 AND key_type = 'user'
ON CONFLICT DO NOTHING
"""
RETIRED = """
INSERT INTO apikeys_retiredsecret (key_id, digest, ends_at, created_at)
SELECT id, digest, now() + interval '1 day', now() FROM apikeys_apikey
 WHERE hashtext(id::text) % 20 = 0 AND key_type = 'user' AND digest IS NOT NULL
"""


def clone_keys(url: str, total: int) -> None:
    """Copies of a member's key until there are ``total``."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT count(*) FROM apikeys_apikey").fetchone()
        columns = connection.execute("SELECT * FROM apikeys_apikey LIMIT 0").description or ()
        names = [column.name for column in columns]
        values = ["gen_random_uuid()" if name == "id" else f'k."{name}"' for name in names]
        quoted = ", ".join(f'"{name}"' for name in names)
        clone = CLONE.format(names=quoted, values=", ".join(values))
        connection.execute(clone.encode(), {"missing": total - (found[0] if found else 0)})
        connection.execute("VACUUM (ANALYZE)")


def furnish(url: str) -> None:
    """Every tenth key gets a grant of its own, every twentieth a retired secret."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(GRANTS)
        connection.execute(RETIRED)
        connection.execute("VACUUM (ANALYZE)")


def compare(small: str, large: str, few: int, many: int, bounds: Bounds) -> float:
    """In turns on both, the first only to warm the caches up: the ratio of their medians."""
    found = Cold(small), Cold(large)
    for number in range(TURNS + 1):
        for cold in found:
            cold.turn(warms=number == 0)
    for count, cold in zip((few, many), found, strict=True):
        bounds.check(f"{count:,} keys", cold.median, most=MOST)
        bounds.check(f"{count:,} keys, p99", cold.tail)
    pairs = zip(found[0].turns, found[1].turns, strict=True)
    return statistics.median(statistics.median(b) / statistics.median(a) for a, b in pairs)


class Cold:
    """Reads of one database; each turn asks for the same keys, picked at random."""

    CALLS = 400

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        rows = self.connection.execute(
            "SELECT id FROM apikeys_apikey WHERE key_type = 'user' ORDER BY random() LIMIT %s",
            [self.CALLS],
        )
        self.ids = [row[0] for row in rows.fetchall()]
        self.turns: list[list[float]] = []

    def turn(self, *, warms: bool) -> None:
        times = []
        for key_id in islice(cycle(self.ids), self.CALLS):
            began = time.perf_counter()
            row = self.connection.execute(SNAPSHOT_SQL, parameters(key_id)).fetchone()
            assert row is not None  # noqa: S101  the id was read from this table
            from_row(row)
            times.append((time.perf_counter() - began) * 1000)
        if not warms:
            self.turns.append(times)

    @property
    def calls(self) -> list[float]:
        return sorted(time for turn in self.turns for time in turn)

    @property
    def median(self) -> float:
        return statistics.median(self.calls)

    @property
    def tail(self) -> float:
        return self.calls[int(len(self.calls) * 0.99)]
