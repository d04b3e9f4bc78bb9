"""QTA-03, DUR-02: processes are killed in waves, stopped for longer than their lease of the fence,
or killed all at once: never over, and lost is at most what they had on lease."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command

from tests.gateway.books import used
from tests.gateway.conftest import Database, Start
from tests.gateway.crowd import Crowd
from tests.gateway.limited import limited, subject_of
from tests.gateway.processes import Gateway
from tests.gateway.wire import within

pytestmark = pytest.mark.slow
PROCESSES, CLIENTS, LIMIT = 4, 48, 1500
RUNS, WAVES = 4, 3
BEYOND = 1.6  # seconds: longer than a lease of the fence and the reaper's next look
HELD = """
SELECT coalesce(sum(l.granted), 0)::bigint
  FROM apikeys_lease l JOIN apikeys_counter c ON c.id = l.counter_id
 WHERE c.subject = %s AND l.process LIKE ANY(%s)"""
ROWS = "SELECT id::text FROM apikeys_requestlog WHERE key_id = %s"


def on_lease(database: Database, subject: str, processes: list[int]) -> int:
    ((units,),) = database.fetch(HELD, subject, [f"gateway:{pid}:%" for pid in processes])
    return int(str(units))


def signal_all(processes: list[int], number: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def verify(database: Database) -> str:
    out = StringIO()
    with database.rows():
        call_command("ledger_verify", stdout=out)  # CommandError when the books are wrong
    return out.getvalue()


def lost_answers(crowd: Crowd) -> int:
    return crowd.statuses()[0]


@pytest.fixture
def gateway(start: Start, seeded: str) -> Gateway:
    return start(PROCESSES).wait_until_ready()


def test_waves_of_kills_at_random_moments(gateway: Gateway, database: Database) -> None:
    for run in range(RUNS):
        chance = random.Random(run)
        secret = limited(database, requests_per_month=LIMIT)
        subject, held = subject_of(database, secret), 0
        crowd = Crowd(gateway, secret, CLIENTS)
        with crowd.asking():
            for _ in range(WAVES):
                time.sleep(chance.uniform(0.02, 0.25))
                victims = chance.sample(gateway.children(), chance.randint(1, 3))
                signal_all(victims, signal.SIGSTOP)  # so that what they hold can be read
                held += on_lease(database, subject, victims)
                signal_all(victims, signal.SIGKILL)
                assert within(10, lambda: len(gateway.children()) == PROCESSES)
            crowd.until_refused(50)

        assert crowd.admitted <= LIMIT == used(database, secret)
        assert LIMIT - crowd.admitted <= held + lost_answers(crowd)
        assert verify(database).startswith("The books of all ")
        gateway.close_wires()


def test_who_stands_still_beyond_the_fence_loses_at_most_its_lease(
    gateway: Gateway, database: Database
) -> None:
    for run in range(RUNS):
        chance = random.Random(run)
        secret = limited(database, requests_per_month=LIMIT)
        subject = subject_of(database, secret)
        crowd = Crowd(gateway, secret, CLIENTS)
        with crowd.asking():
            crowd.until(chance.randint(20, 200))
            victims = chance.sample(gateway.children(), chance.randint(1, 3))
            with stopped(victims):
                held = on_lease(database, subject, victims)
                time.sleep(BEYOND)
            crowd.until_refused(50)

        assert crowd.admitted <= LIMIT
        assert LIMIT - crowd.admitted <= held + lost_answers(crowd)
        assert crowd.admitted <= used(database, secret) <= LIMIT
        assert verify(database).startswith("The books of all ")
        gateway.close_wires()


@contextlib.contextmanager
def stopped(processes: list[int]) -> Iterator[None]:
    signal_all(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(processes, signal.SIGCONT)


def test_all_killed_at_once_lose_a_second_of_rows_and_their_leases(
    start: Start, seeded: str, database: Database
) -> None:
    for run in range(2):
        gateway = start(PROCESSES).wait_until_ready()
        secret = limited(database, requests_per_month=100_000)
        subject = subject_of(database, secret)
        crowd = Crowd(gateway, secret, CLIENTS, pause=0.1)  # a load that leaves time to write rows
        with crowd.asking():
            crowd.until(200)
            time.sleep(1.2 + random.Random(run).random())
            children = gateway.children()
            signal_all(children, signal.SIGSTOP)
            killed, held = time.monotonic(), on_lease(database, subject, children)
            signal_all([gateway.process.pid, *children], signal.SIGKILL)

        admitted = crowd.admitted
        again = start(1).wait_until_ready()  # its reaper ends the leases of the dead
        spent = used(database, secret)
        assert admitted <= spent <= admitted + held + lost_answers(crowd)
        assert again.get("/proxy/echo/", secret).status == 200
        assert used(database, secret) == spent + 1
        assert verify(database).startswith("The books of all ")
        rows_are_whole(database, crowd, secret, killed)
        assert again.stop() == 0


def rows_are_whole(database: Database, crowd: Crowd, secret: str, killed: float) -> None:
    """None twice; missing are at most those that were answered in the last second."""
    rows = Counter(str(row[0]) for row in database.fetch(ROWS, UUID(secret.split("_")[1])))
    assert max(rows.values()) == 1
    early = {seen.request_id for seen in crowd.seen if seen.status and seen.came < killed - 1}
    assert len(early) > 100
    assert early <= rows.keys()
