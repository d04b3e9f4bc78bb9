"""DUR-04, DUR-09: a database that is there and is not what it was: its connections swallow
everything, it lets nobody in, takes no writes, was altered, or is another one. What is not safely
known is 503, nobody gets in whom it keeps out, and it recovers within five seconds by itself."""

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Self

import psycopg
import pytest

from apikeys.ledger.link import ALONE_SQL
from tests.gateway.conftest import Start
from tests.gateway.engine import CONNECTIONS, Engine, OwnDatabase
from tests.gateway.outages import Crowd
from tests.gateway.processes import Gateway
from tests.gateway.test_database_faults import RECOVERY
from tests.gateway.test_lock_out import unknown
from tests.gateway.wire import within
from tests.gateway.wiretap import Wiretap

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

PROCESSES = 2
QUESTIONS = 8  # about the unknown key too: one of two processes gets none once in 128 times
BAD_SECONDS = 1.3
FENCE = 1.2  # a process relies on nothing any more
PATIENCE = 8.5
MUCH = 1_000_000
WARM = 30  # look-ups; the sixth on a connection is prepared
PASSWORD = "throwaway"  # the engine's
END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="module")
def keys(own: OwnDatabase) -> dict[str, str]:
    found = {name: own.key_for(name, "echo", monthly=MUCH) for name in ("free", "quota", "revoked")}
    own.execute("UPDATE apikeys_tier SET requests_per_month = NULL WHERE slug = 'tier-free'")
    key_id = uuid.UUID(found["revoked"].split("_")[1])
    own.change("UPDATE apikeys_apikey SET revoked_at = now() WHERE id = %s", key_id)
    return found | {"unknown": unknown()}


def is_well(gateway: Gateway, keys: dict[str, str]) -> bool:
    """Also what has to be read: of an unknown key nothing is remembered. Every process: each
    question goes to any of them."""
    expected = dict.fromkeys(keys, 200) | {"revoked": 401, "unknown": 401}
    for _ in range(QUESTIONS):
        found = {name: gateway.get("/proxy/echo/x", key).status for name, key in keys.items()}
        if found != expected or gateway.get("/readyz").status != 200:
            return False
    return True


def nobody_wrong(crowd: Crowd) -> bool:
    told = {name: crowd.statuses(name).keys() for name in crowd.keys}
    shut = told.pop("unknown") | told.pop("revoked")
    return shut <= {401, 503} and all(each <= {200, 503} for each in told.values())


def test_connections_that_swallow_everything_are_left(
    start: Start, own: OwnDatabase, keys: dict[str, str]
) -> None:
    """As after a failover, or behind a firewall that forgot them: nothing is ever refused."""
    tap = Wiretap(own.url)
    gateway = start(PROCESSES, DATABASE_URL=tap.url).wait_until_ready()
    with Crowd(gateway, keys, pause=0.05) as crowd:
        time.sleep(0.5)
        tap.swallow_all()
        began = time.monotonic()
        time.sleep(RECOVERY + 1)

    after = {name: crowd.statuses(name, since=began + RECOVERY) for name in keys}
    tap.stop()
    assert nobody_wrong(crowd)
    assert crowd.statuses("free", since=began)[503]
    assert [each.keys() for each in after.values()] == [{200}, {200}, {401}, {401}]
    assert crowd.longest() <= PATIENCE
    assert gateway.errors() == []


class Ruin:
    """What a database may become, and be again. ``hand`` is let in whatever happens."""

    def __init__(self, own: OwnDatabase) -> None:
        self.conninfo = own.conninfo
        self.hand = psycopg.connect(own.conninfo, autocommit=True)
        self.held: list[psycopg.Connection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.empty()
        self.hand.close()

    def lock_out(self) -> None:
        self.hand.execute("ALTER ROLE momentry PASSWORD 'another'")
        self.hand.execute(END_OTHERS)

    def let_in(self) -> None:
        self.hand.execute(f"ALTER ROLE momentry PASSWORD '{PASSWORD}'")

    def fill(self) -> None:
        """Nobody else gets a connection."""
        while len(self.held) < CONNECTIONS - 1:
            try:
                self.held.append(psycopg.connect(self.conninfo))
            except psycopg.OperationalError:
                held = [connection.info.backend_pid for connection in self.held]
                self.hand.execute(f"{END_OTHERS} AND pid <> ALL(%s)", (held,))

    def empty(self) -> None:
        for connection in self.held:
            connection.close()
        self.held.clear()

    def write_protect(self, word: str = "on") -> None:
        self.hand.execute("SET default_transaction_read_only = off")
        self.hand.execute(f"ALTER SYSTEM SET default_transaction_read_only = {word}")
        self.hand.execute("SELECT pg_reload_conf()")

    def take_writes(self) -> None:
        self.write_protect("off")

    def hide(self) -> None:
        self.hand.execute("ALTER SCHEMA public RENAME TO hidden")

    def show(self) -> None:
        self.hand.execute("ALTER SCHEMA hidden RENAME TO public")

    def alter(self, kind: str = "numeric") -> None:
        """As a migration does it under statements that were prepared before."""
        self.hand.execute(f"ALTER TABLE common_fence ALTER COLUMN generation TYPE {kind}")

    def alter_again(self) -> None:
        """Not back to what it was: the statements of then would be right again."""
        self.alter("numeric(30)")


@pytest.fixture
def ruin(own: OwnDatabase) -> Iterator[Ruin]:
    with Ruin(own) as made:
        yield made


Step = Callable[[Ruin], None]
RUINS: dict[str, tuple[Step, Step, bool]] = {  # the last: does it say so at /readyz?
    "another password": (Ruin.lock_out, Ruin.let_in, True),
    "no connection left": (Ruin.fill, Ruin.empty, True),
    "no writes": (Ruin.write_protect, Ruin.take_writes, True),
    "no tables": (Ruin.hide, Ruin.show, True),
    "altered tables": (Ruin.alter, Ruin.alter_again, False),
}


def test_a_database_may_refuse_in_any_way(
    start: Start, own: OwnDatabase, keys: dict[str, str], ruin: Ruin
) -> None:
    given = {"DATABASE_URL": own.url, "DB_ACQUIRE_TIMEOUT_SECONDS": "0.3"}
    gateway = start(PROCESSES, **given).wait_until_ready()
    for fault, (begin, mend, is_told) in RUINS.items():
        for _ in range(WARM):
            assert gateway.get("/proxy/echo/x", keys["unknown"]).status == 401, fault
        with Crowd(gateway, keys, each=1, pause=0.05) as crowd:
            begin(ruin)
            time.sleep(BAD_SECONDS)
            ready = {gateway.get("/readyz").status for _ in range(4)}
            mend(ruin)
            assert within(RECOVERY, lambda: is_well(gateway, keys)), fault

        assert ready == {503 if is_told else 200}, fault
        assert nobody_wrong(crowd), fault
        assert crowd.longest() <= PATIENCE, fault
        assert gateway.errors() == [], fault


def test_another_database_of_the_same_age_is_not_taken_for_the_one_before(
    start: Start, own: OwnDatabase, engine: Engine
) -> None:
    """A copy was put back, and as many changes were made to it as to the one before."""
    gateway = start(PROCESSES, DATABASE_URL=own.url).wait_until_ready()
    key = own.key_for(f"k-{uuid.uuid4().hex[:6]}", "echo")
    assert {gateway.get("/proxy/echo/x", key).status for _ in range(20)} == {200}
    ((generation,),) = own.fetch("SELECT generation FROM common_fence")
    for pid in gateway.children():
        os.kill(pid, signal.SIGSTOP)
    engine.kill()
    engine.start()
    own.execute(
        "UPDATE apikeys_apikey SET revoked_at = now() WHERE id = %s", uuid.UUID(key.split("_")[1])
    )
    own.execute("DELETE FROM common_fencechange WHERE generation > %s", generation)
    own.execute("UPDATE common_fence SET generation = %s", generation)
    for pid in gateway.children():
        os.kill(pid, signal.SIGCONT)

    assert within(RECOVERY, lambda: gateway.get("/proxy/echo/x", key).status != 503)
    assert {gateway.get("/proxy/echo/x", key).status for _ in range(20)} <= {401, 503}
    assert within(RECOVERY, lambda: gateway.get("/readyz").status == 200)


def test_four_gateways_at_once_may_come_before_the_tables(
    start: Start, own: OwnDatabase, keys: dict[str, str], ruin: Ruin
) -> None:
    ruin.hide()
    try:
        four = [start(DATABASE_URL=own.url) for _ in range(4)]
        for gateway in four:
            gateway.wait_until_listening()
        time.sleep(1)
        found = {gateway.get("/proxy/echo/x", keys["free"]).status for gateway in four}
        ready = [gateway.get("/readyz") for gateway in four]
        health = {gateway.get("/healthz").status for gateway in four}
    finally:
        ruin.show()

    assert found == {503}
    assert health == {200}
    assert {answer.status for answer in ready} == {503}
    assert all(b"migrations are not applied" in answer.body for answer in ready)
    for gateway in four:
        assert within(RECOVERY, lambda: is_well(gateway, keys))  # noqa: B023  here
        assert gateway.errors() == []


def test_what_was_on_lease_of_another_database_is_not_spent(
    start: Start, own: OwnDatabase, engine: Engine
) -> None:
    """An older copy was put back: it knows of no lease, and of more that was spent. The ledger's
    connection comes later than the fence's, by which the process learns of it."""
    own.execute("DELETE FROM apikeys_lease")  # of processes that were killed before
    gateway = start(1, DATABASE_URL=own.url).wait_until_ready()
    key = own.key_for(f"k-{uuid.uuid4().hex[:6]}", "echo", monthly=1000)
    assert {gateway.get("/proxy/echo/x", key).status for _ in range(20)} == {200}
    ((process,),) = own.fetch("SELECT DISTINCT process FROM apikeys_lease")
    engine.kill()
    time.sleep(FENCE)
    for pid in gateway.children():
        os.kill(pid, signal.SIGSTOP)
    engine.start()
    own.execute("DELETE FROM apikeys_lease")
    own.execute('UPDATE apikeys_counter SET used = 995, leased = 0 WHERE "limit" = 1000')
    with psycopg.connect(own.conninfo, autocommit=True) as hand:
        hand.execute(ALONE_SQL, (f"ledger {process}",))
        with Crowd(gateway, {"few": key}) as crowd:
            for pid in gateway.children():
                os.kill(pid, signal.SIGCONT)
            time.sleep(BAD_SECONDS)
            hand.close()
            assert within(RECOVERY, lambda: crowd.statuses("few")[429] > 0)

    assert crowd.statuses("few").keys() <= {200, 429, 503}
    assert crowd.statuses("few")[200] == 5
    assert own.fetch('SELECT used FROM apikeys_counter WHERE "limit" = 1000') == [(1000,)]
    assert gateway.errors() == []
