"""DUR-04, DUR-06: PostgreSQL slow or locked under load. What is not safely known is 503, nobody
gets in whom it keeps out, nothing piles up, and it recovers. Away: test_database_away.py."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import psycopg
import pytest

from tests.gateway.conftest import Start
from tests.gateway.engine import Engine, OwnDatabase, children
from tests.gateway.outages import Crowd, memory
from tests.gateway.processes import Gateway
from tests.gateway.test_lock_out import unknown

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

PROCESSES = 4
PATIENCE = 8.5  # seconds for any answer: admission.GATE_SECONDS and some
RECOVERY = 5.0
OF_A_GATEWAY = 10 + 3  # DB_MAX_CONNECTIONS, and one each for fence, ledger and log
OWN = 8  # processes that the server needs for itself
GROWTH = 48.0  # MiB, of all processes together
BAD_SECONDS = 10
TABLES = {"keys locked": "apikeys_apikey", "counters locked": "apikeys_counter"}


@pytest.fixture
def gateway(start: Start, own: OwnDatabase) -> Gateway:
    return start(PROCESSES, DATABASE_URL=own.url).wait_until_ready()


@contextmanager
def locked(own: OwnDatabase, table: str) -> Iterator[None]:
    with psycopg.connect(own.conninfo) as holder:
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("fault", [*TABLES, "stuttering"])
def test_a_slow_database_piles_nothing_up(
    gateway: Gateway, own: OwnDatabase, engine: Engine, fault: str
) -> None:
    """A hundred clients wait; half of their keys nobody has in memory."""
    keys = {f"cold{number}": unknown() for number in range(24)}
    keys |= {"free": own.key_for(f"f-{uuid.uuid4().hex[:6]}", "echo")}
    keys |= {"quota": own.key_for(f"q-{uuid.uuid4().hex[:6]}", "echo", monthly=100_000)}
    assert {gateway.get("/proxy/echo/x", keys["free"]).status for _ in range(40)} == {200}
    before, others = memory(gateway.children()), len(children(engine.pid))
    with Crowd(gateway, keys, each=4) as crowd:
        time.sleep(0.5)
        peak = bad_time(fault, own, engine, gateway)
        back = time.monotonic()
        time.sleep(RECOVERY + 1)

    assert peak[0] - others <= PROCESSES * OF_A_GATEWAY
    assert peak[1] - before <= GROWTH
    assert crowd.longest() <= PATIENCE
    assert all(crowd.statuses(name).keys() <= {401, 503} for name in keys if "cold" in name)
    assert crowd.statuses("free").keys() | crowd.statuses("quota").keys() <= {200, 503}
    assert crowd.statuses("free", since=back + RECOVERY).keys() == {200}
    assert crowd.statuses("quota", since=back + RECOVERY).keys() == {200}
    assert gateway.errors() == []


def bad_time(fault: str, own: OwnDatabase, engine: Engine, gateway: Gateway) -> tuple[int, float]:
    """The most connections, and MiB, that were seen while it lasted."""
    seen = []
    with locked(own, TABLES[fault]) if fault in TABLES else nullcontext():
        for _ in range(BAD_SECONDS):
            if fault not in TABLES:
                engine.freeze()  # it works a twentieth of the time
            time.sleep(0.95)
            seen.append((len(children(engine.pid)), memory(gateway.children())))
            engine.thaw()
            time.sleep(0.05)
    return max(count for count, _ in seen), max(size for _, size in seen)
