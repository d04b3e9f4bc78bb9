"""What the ledger says was spent, once all that is on lease was called back."""

import time

from apikeys.ledger.sql import CHANNEL
from tests.gateway.conftest import Database

SECONDS = 5.0


def used(database: Database, secret: str) -> int:
    """Units of this key's member, over all of its counters."""
    ((subject,),) = database.fetch(
        "SELECT 'member:' || replace(owner_id::text, '-', '') FROM apikeys_apikey WHERE id = %s",
        secret.split("_")[1],
    )
    return sum(books(database, str(subject)).values())


def books(database: Database, subject: str) -> dict[str, int]:
    """Units spent by metric and period."""
    end = time.monotonic() + SECONDS
    while True:
        rows = database.fetch(
            "SELECT id, metric || ' per ' || period, used, leased FROM apikeys_counter"
            " WHERE subject = %s",
            subject,
        )
        out = [str(row[0]) for row in rows if row[3]]
        if not out:
            return {str(row[1]): int(str(row[2])) for row in rows}
        assert time.monotonic() < end, "a lease was not given back"
        database.execute("SELECT pg_notify(%s, %s)", CHANNEL, ",".join(out))
        time.sleep(0.02)
