"""DUR-05 for burst limits: Valkey stopped, hung, flushed and back; never a 5xx, quota exact."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from momentry.supervisor.valkey import Valkey
from tests.gateway.books import books
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import Slow, limited, room, subject_of
from tests.gateway.processes import Gateway, request
from tests.gateway.test_burst_limits import statuses
from tests.gateway.wire import Server, within

pytestmark = pytest.mark.slow

PROCESSES = 4
AWAY = 1.5  # seconds until a gateway asks again


class Own:
    """A Valkey of the test's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = ""
        self.start()

    def start(self) -> None:
        self.valkey = Valkey(
            self.directory / "data", self.directory, self.directory / "log", durable=False
        )
        self.url = self.valkey.url
        self.valkey.start()
        assert within(10, self.valkey.ready)

    def stop(self) -> None:
        self.valkey.child.kill()
        assert within(5, lambda: not self.valkey.child.alive())


@pytest.fixture
def valkey(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[Own]:
    place = directory / tmp_path_factory.mktemp("v").name  # short: a unix socket's path
    place.mkdir()
    own = Own(place)
    yield own
    own.stop()


@pytest.fixture
def four(start: Start, seeded: str, valkey: Own) -> Gateway:
    return start(PROCESSES, REDIS_URL=valkey.url).wait_until_ready()


def minute(database: Database, limit: int) -> str:
    return limited(database, requests_per_minute=limit, requests_per_month=100_000)


def test_valkey_stopped_under_load_degrades_to_shares_and_comes_back_exact(
    four: Gateway, database: Database, valkey: Own
) -> None:
    before, during, after = (minute(database, 40) for _ in range(3))
    room(15)
    seen: Counter[int] = Counter()
    stopper = threading.Timer(0.3, valkey.stop)
    stopper.start()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        seen += statuses(four, before, "/proxy/echo/", 16, 4)
    stopper.join()

    alone = statuses(four, during, "/proxy/echo/", 32, 4)
    room(12)
    valkey.start()
    time.sleep(AWAY)
    exact = statuses(four, after, "/proxy/echo/", 32, 3)

    assert set(seen) | set(alone) == {200, 429}
    assert 40 <= seen[200] <= 40 * PROCESSES
    assert 1 <= alone[200] <= 40
    assert exact == {200: 40, 429: 56}
    spent = books(database, subject_of(database, during))
    assert spent == {"requests per month": alone[200]}
    said = [line for line in four.lines if "Valkey" in line]
    assert sum("does not answer" in line for line in said) <= PROCESSES
    assert sum("answers again" in line for line in said) <= PROCESSES


def test_a_limit_of_one_is_still_at_least_one_without_valkey(
    four: Gateway, database: Database, valkey: Own
) -> None:
    room(10)
    valkey.stop()

    found = statuses(four, minute(database, 1), "/proxy/echo/", 16, 3)

    assert 1 <= found[200] <= PROCESSES
    assert set(found) == {200, 429}


def test_slots_hold_per_process_without_valkey_and_are_known_when_it_is_back(
    four: Gateway, database: Database, valkey: Own, upstream: Server
) -> None:
    secret = limited(database, concurrent_requests=8)
    quick, long = Slow(upstream), Slow(upstream, 8)
    valkey.stop()
    found = statuses(four, secret, f"/proxy/echo{quick.path}", 32, 2)
    for _ in range(8):
        four.connect().send(request("GET", f"/proxy/echo{long.path}", secret))
    time.sleep(1)
    running = long.running

    valkey.start()
    time.sleep(AWAY + 2)
    left = four.get("/proxy/echo/x", secret)

    assert set(found) <= {200, 429}
    assert quick.peak <= 8
    assert 1 <= running == long.running
    assert left.field("ratelimit") == f'"concurrent";r={max(0, 8 - running - 1)}'


def test_a_valkey_that_hangs_costs_a_tenth_of_a_second_once(
    start: Start, seeded: str, database: Database, valkey: Own
) -> None:
    gateway = start(1, REDIS_URL=valkey.url).wait_until_ready()
    secret = minute(database, 1000)
    assert gateway.get("/proxy/echo/x", secret).status == 200
    os.kill(valkey.valkey.child.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        found = [gateway.get("/proxy/echo/x", secret).status for _ in range(10)]
        seconds = time.monotonic() - began
    finally:
        os.kill(valkey.valkey.child.pid, signal.SIGCONT)

    assert found == [200] * 10
    assert seconds < 0.7  # 0.1 waited, ten requests, and what this machine adds
