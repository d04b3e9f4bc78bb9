"""DUR-04, DUR-06: PostgreSQL stopped, killed, slow or locked under load. What is not safely known
is 503, nobody gets in whom it keeps out, no quota is passed, nothing piles up, and it recovers."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import psycopg
import pytest

from tests.gateway.books import used
from tests.gateway.conftest import Start
from tests.gateway.engine import Engine, OwnDatabase, children
from tests.gateway.outages import Crowd, memory
from tests.gateway.processes import Gateway
from tests.gateway.test_lock_out import unknown

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

PROCESSES = 4
LIMIT = 400
LEASE = 1.0  # so long a process may rely on what it knows
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


def keys_of(own: OwnDatabase) -> dict[str, str]:
    tag = uuid.uuid4().hex[:6]
    keys = {
        "free": own.key_for(f"free-{tag}", "echo"),
        "quota": own.key_for(f"quota-{tag}", "echo", monthly=LIMIT),
        "revoked": own.key_for(f"revoked-{tag}", "echo"),
        "unknown": unknown(),
    }
    key_id = keys["revoked"].split("_")[1]
    own.change("UPDATE apikeys_apikey SET revoked_at = now() WHERE id = %s", key_id)
    return keys


def freeze(engine: Engine, seconds: float) -> float:
    engine.freeze()
    time.sleep(seconds)
    engine.thaw()
    return time.monotonic()


def kill(engine: Engine, seconds: float) -> float:
    engine.kill()
    time.sleep(seconds)
    engine.start()
    return time.monotonic()


def stop(engine: Engine, seconds: float) -> float:
    engine.stop()
    time.sleep(seconds)
    engine.start()
    return time.monotonic()


@pytest.mark.parametrize(("fault", "seconds"), [(freeze, 30), (kill, 3), (stop, 3)])
def test_a_database_may_be_away(
    gateway: Gateway,
    own: OwnDatabase,
    engine: Engine,
    fault: Callable[[Engine, float], float],
    seconds: float,
) -> None:
    keys = keys_of(own)
    with Crowd(gateway, keys) as crowd:
        time.sleep(1)
        began = time.monotonic()
        back = fault(engine, seconds)
        time.sleep(RECOVERY + 1)

    # Who waited in vain to be let in is gone.
    assert len(children(engine.pid)) <= OWN + PROCESSES * OF_A_GATEWAY
    assert crowd.statuses("free", until=began).keys() == {200}
    away = {name: crowd.statuses(name, began + LEASE + 0.1, back) for name in keys}
    assert [each.keys() for each in away.values()] == [{503}] * 4
    assert crowd.statuses("unknown").keys() | crowd.statuses("revoked").keys() == {401, 503}
    assert crowd.longest() <= PATIENCE
    assert crowd.statuses("free", since=back + RECOVERY).keys() == {200}
    assert crowd.statuses("revoked", since=back + RECOVERY).keys() == {401}
    passed = crowd.statuses("quota")[200] + finish(gateway, keys["quota"])
    assert LIMIT // 2 < passed <= LIMIT
    assert passed <= used(own, keys["quota"]) <= LIMIT
    assert gateway.errors() == []


def finish(gateway: Gateway, key: str) -> int:
    """What is left of a quota, asked for until three answers were no."""
    found: list[int] = []
    while found[-3:] != [429] * 3:
        found.append(gateway.get("/proxy/echo/x", key).status)
        assert len(found) < 2 * LIMIT
    assert set(found) <= {200, 429}
    return found.count(200)


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
