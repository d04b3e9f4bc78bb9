"""QTA-03, DUR-02: processes that are killed or stopped under load never let the limit be passed."""

import contextlib
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

from apikeys.ledger import sql
from tests.gateway.books import used
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import subject_of
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut

pytestmark = pytest.mark.slow
LIMIT, CLIENTS, RUNS = 500, 64, 10
LEASED = """
SELECT coalesce(sum(leased), 0)::bigint FROM apikeys_counter WHERE subject = %s"""


class Load:
    """Clients that ask until they are refused; a connection that broke is made anew."""

    def __init__(self, gateway: Gateway, secret: str, pause: float = 0.0) -> None:
        self.gateway = gateway
        self.call = request("GET", "/proxy/echo/", secret)
        self.pause = pause
        self.admitted = self.broken = 0
        self.lock = threading.Lock()

    def run(self) -> None:
        with ThreadPoolExecutor(CLIENTS) as threads:
            list(threads.map(Load.ask, repeat(self, CLIENTS)))

    def ask(self) -> None:
        end = time.monotonic() + 30
        refusals = 0
        while refusals < 2 and time.monotonic() < end:
            with contextlib.suppress(OSError, Cut):
                wire = self.gateway.connect()
                while refusals < 2:
                    self.note(broken=1)
                    status = wire.send(self.call).answer().status
                    self.note(broken=-1, admitted=int(status == 200))
                    refusals += status == 429
                    time.sleep(self.pause)

    def note(self, *, broken: int = 0, admitted: int = 0) -> None:
        """``broken``: was sent, and nobody knows what became of it."""
        with self.lock:
            self.broken += broken
            self.admitted += admitted

    def until(self, admitted: int) -> None:
        end = time.monotonic() + 20
        while self.admitted < admitted and time.monotonic() < end:
            time.sleep(0.001)
        assert self.admitted >= admitted


@contextlib.contextmanager
def running(load: Load) -> Iterator[None]:
    thread = threading.Thread(target=load.run)
    thread.start()
    yield
    thread.join()


def fresh(database: Database, run: int) -> str:
    return database.key_for(f"kill{run}-{uuid.uuid4().hex[:6]}", "echo", monthly=LIMIT)


def leased(database: Database, subject: str) -> int:
    ((units,),) = database.fetch(LEASED, subject)
    return int(str(units))


def on_lease(database: Database, subject: str, children: list[int]) -> int:
    """Units these processes hold, or held when they last asked."""
    rows = database.fetch(
        "SELECT l.granted FROM apikeys_lease l JOIN apikeys_counter c ON c.id = l.counter_id"
        " WHERE c.subject = %s AND l.process LIKE ANY(%s)",
        subject,
        [f"gateway:{pid}:%" for pid in children],
    )
    return sum(int(str(row[0])) for row in rows)


def test_killed_processes_lose_at_most_what_they_had_on_lease(
    start: Start, seeded: str, database: Database
) -> None:
    gateway = start(4).wait_until_ready()
    for run in range(RUNS):
        secret = fresh(database, run)
        subject = subject_of(database, secret)
        load = Load(gateway, secret)
        victims = gateway.children()[: 1 + run % 2]
        with running(load):
            load.until(100)
            kill(victims, signal.SIGSTOP)  # so that what they hold can be read
            held = on_lease(database, subject, victims)
            kill(victims, signal.SIGKILL)
        books = used(database, secret)

        assert load.admitted <= books == LIMIT
        assert LIMIT - load.admitted <= held + load.broken
        wait_for(lambda: len(gateway.children()) == 4)
        gateway.close_wires()


def test_stopped_processes_lose_nothing_once_they_go_on(
    start: Start, seeded: str, database: Database
) -> None:
    gateway = start(4).wait_until_ready()
    for run in range(RUNS):
        secret = fresh(database, run)
        load = Load(gateway, secret)
        victims = gateway.children()[: 1 + run % 2]
        with running(load):
            load.until(100)
            kill(victims, signal.SIGSTOP)
            time.sleep(0.2 if run % 5 else 1.5)  # within their lease of the fence, or beyond it
            kill(victims, signal.SIGCONT)

        assert load.admitted <= LIMIT
        assert load.admitted + load.broken >= LIMIT or run % 5 == 0
        assert used(database, secret) <= LIMIT
        assert database.fetch(sql.VERIFY) == []
        gateway.close_wires()


def test_when_all_are_killed_what_was_admitted_is_counted(
    start: Start, seeded: str, database: Database
) -> None:
    gateway = start(4).wait_until_ready()
    secret = fresh(database, 99)
    subject = subject_of(database, secret)
    load = Load(gateway, secret, pause=0.001)
    with running(load):
        load.until(150)
        victims = gateway.children()
        kill(victims, signal.SIGSTOP)
        admitted, held = load.admitted, leased(database, subject)
        ((counted,),) = database.fetch(
            "SELECT used FROM apikeys_counter WHERE subject = %s", subject
        )
        kill(victims, signal.SIGKILL)

    assert admitted <= int(str(counted)) <= admitted + held + CLIENTS
    assert load.admitted <= LIMIT
    assert used(database, secret) == LIMIT


def kill(processes: list[int], number: int) -> None:
    for process in processes:
        os.kill(process, number)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
