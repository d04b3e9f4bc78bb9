"""Leases of real processes: given back at rest and at the end, reaped after a kill, kept exact
while the database drops the ledger's connections."""

import os
import signal
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.books import used
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import within

CUT = """
SELECT pg_terminate_backend(pid) FROM pg_locks
 WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def member(database: Database, monthly: int) -> str:
    return database.key_for(f"lease-{uuid.uuid4().hex[:8]}", "echo", monthly=monthly)


def row(database: Database, secret: str) -> tuple[object, ...]:
    """(used, leased) as they stand, nothing called back."""
    found = database.fetch(
        "SELECT c.used, c.leased FROM apikeys_counter c JOIN apikeys_apikey k"
        " ON c.subject = 'member:' || replace(k.owner_id::text, '-', '') WHERE k.id = %s",
        secret.split("_")[1],
    )
    return found[0] if found else (0, 0)


def calls(gateway: Gateway, secret: str, number: int) -> list[int]:
    return [gateway.get("/proxy/echo/", secret).status for _ in range(number)]


def test_what_rests_goes_back(start: Start, seeded: str, database: Database) -> None:
    gateway = start().wait_until_ready()
    secret = member(database, 800)

    assert calls(gateway, secret, 3) == [200] * 3

    assert within(3, lambda: row(database, secret) == (3, 0))


def test_an_end_gives_everything_back(start: Start, seeded: str, database: Database) -> None:
    gateway = start(2).wait_until_ready()
    secret = member(database, 800)
    assert calls(gateway, secret, 8) == [200] * 8

    assert gateway.stop() == 0

    assert row(database, secret) == (8, 0)


def test_a_killed_process_loses_what_it_had_on_lease_and_no_more(
    start: Start, seeded: str, database: Database
) -> None:
    gateway = start().wait_until_ready()
    secret = member(database, 80)
    assert calls(gateway, secret, 3) == [200] * 3

    os.kill(gateway.children()[0], signal.SIGKILL)

    assert within(8, lambda: row(database, secret)[1] == 0)  # another process saw it
    spent = row(database, secret)[0]
    assert spent in {3, 10}  # 3: on a busy machine it had rested for a second, and gave seven back
    gateway.wait_until_ready()
    assert Counter(calls(gateway, secret, 80)) == {200: 80 - spent, 429: spent}
    assert used(database, secret) == 80


@pytest.mark.slow
def test_a_database_that_drops_the_ledgers_connections_changes_no_sum(
    start: Start, seeded: str, database: Database
) -> None:
    """Answers to COMMITs get lost all the time: some wait in vain (503), nobody counts twice."""
    gateway = start(3).wait_until_ready()
    secret = member(database, 2000)
    over = threading.Event()

    def drop() -> None:
        while not over.wait(0.05):
            database.execute(CUT)

    def ask(_: int) -> list[int]:
        wire, call = gateway.connect(), request("GET", "/proxy/echo/", secret)
        return [wire.send(call).answer().status for _ in range(40)]

    dropping = threading.Thread(target=drop)
    dropping.start()
    with ThreadPoolExecutor(32) as threads:
        found = Counter(status for some in threads.map(ask, range(32)) for status in some)
    over.set()
    dropping.join()

    assert set(found) <= {200, 503}
    assert found[503] > 0
    assert used(database, secret) == found[200]
    end = time.monotonic() + 20
    while time.monotonic() < end and found[429] < 20:
        found += Counter(calls(gateway, secret, 20))
    assert found[200] == 2000
    assert used(database, secret) == 2000
