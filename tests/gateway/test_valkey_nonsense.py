"""DUR-05 where Valkey is there but answers nonsense, byte by byte or late, or is a replica now: no
5xx, nobody waits for it, wrong keys stay out, and limits are exact again afterwards."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway import babble
from tests.gateway.babble import Babble
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import limited, room
from tests.gateway.outages import Crowd, memory
from tests.gateway.processes import Gateway
from tests.gateway.test_burst_limits import statuses
from tests.gateway.test_lock_out import unknown
from tests.gateway.test_valkey_faults import Server
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

PROCESSES = 2
BAD_SECONDS = 0.7
BACK = 3.0  # until all processes have asked again
SLOWEST = 1.5  # of any answer: Valkey's longest, and what this machine adds
GROWTH = 24.0  # MiB
FAULTS: dict[str, babble.Say] = {
    "another protocol": babble.always(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "always OK": babble.always(b"+OK\r\n"),
    "one reply too many": babble.one_more,
    "byte by byte": babble.byte_by_byte,
    "late": babble.late,
    "without an end": babble.endlessly,
}


@pytest.fixture
def places(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[list[Server]]:
    made = [Server(directory / tmp_path_factory.mktemp("n").name) for _ in range(2)]
    yield made
    for server in made:
        server.redis.close()
        server.kill()


@pytest.fixture
def between(places: list[Server]) -> Iterator[Babble]:
    made = Babble(places[0].valkey.socket)
    yield made
    made.stop()


def is_exact(gateway: Gateway, database: Database) -> bool:
    room(5)
    again = limited(database, requests_per_minute=41)  # no multiple of what each may let in alone
    return statuses(gateway, again, "/proxy/echo/", 16, 3) == {200: 41, 429: 7}


def test_what_valkey_says_wrongly_nobody_is_told(
    start: Start, seeded: str, database: Database, between: Babble
) -> None:
    gateway = start(PROCESSES, REDIS_URL=between.url).wait_until_ready()
    keys = {
        "few": limited(database, requests_per_minute=40),
        "many": limited(database, requests_per_minute=100_000, concurrent_requests=50),
        "quota": limited(database, requests_per_month=100_000),
        "unknown": unknown(),
    }
    for fault, say in FAULTS.items():
        before = memory(gateway.children())
        with Crowd(gateway, keys) as crowd:
            time.sleep(0.2)
            between.say = say
            time.sleep(BAD_SECONDS)
            grown = memory(gateway.children()) - before
            between.say = babble.truly

        assert crowd.statuses("few").keys() <= {200, 429}, fault
        assert crowd.statuses("many").keys() == {200}, fault
        assert crowd.statuses("quota").keys() == {200}, fault
        assert crowd.statuses("unknown").keys() <= {401}, fault
        assert crowd.longest() <= SLOWEST, fault
        assert grown <= GROWTH, fault
        assert within(BACK, lambda: is_exact(gateway, database)), fault
    assert gateway.errors() == []


def test_a_valkey_that_is_a_replica_now_is_left_for_the_one_that_took_over(
    start: Start, seeded: str, database: Database, places: list[Server], between: Babble
) -> None:
    """As where a name or an address moves to the new one: the old connections stand."""
    gateway = start(PROCESSES, REDIS_URL=between.url).wait_until_ready()
    old, new = places
    key = limited(database, requests_per_minute=49)  # each request asks
    room(10)
    assert statuses(gateway, key, "/proxy/echo/", 8, 1) == {200: 8}
    old.redis.replicaof("127.0.0.1", "1")
    between.place = new.valkey.socket

    def counts() -> bool:
        assert gateway.get("/proxy/echo/", key).status == 200
        return bool(new.redis.keys("momentry:window:*"))

    assert within(BACK, counts, 0.2)
    assert within(BACK, lambda: is_exact(gateway, database))
    assert gateway.errors() == []
