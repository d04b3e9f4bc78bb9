"""QTA-11 while Valkey stands still for moments: what a process lets in alone is counted once Valkey
answers again, so that a stall gives no second limit away."""

import os
import signal
import time

import pytest

from momentry.supervisor.valkey import Valkey
from tests.gateway.conftest import Database, Start
from tests.gateway.crowd import Crowd
from tests.gateway.limited import limited, room
from tests.gateway.processes import Gateway
from tests.gateway.test_burst_limits import statuses

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow
PROCESSES, CLIENTS, FEW = 4, 32, 6
STALL = 0.5  # seconds; a tenth is waited for
AWAY = 2.5  # until all processes have asked again, and what lay still went back
COUNTED_ALONE = "counted per process"  # what is logged of it


@pytest.fixture
def four(start: Start, seeded: str, valkey: Valkey) -> Gateway:
    return start(PROCESSES, REDIS_URL=valkey.url).wait_until_ready()


def stall(valkey: Valkey, seconds: float = STALL) -> None:
    os.kill(valkey.child.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(valkey.child.pid, signal.SIGCONT)


def fell_back(gateway: Gateway) -> bool:
    return any(COUNTED_ALONE in line for line in gateway.lines)


@pytest.mark.parametrize(("limit", "clients"), [(49, FEW), (400, CLIENTS)])
def test_a_stall_in_the_middle_of_a_window_gives_no_second_limit(
    four: Gateway, database: Database, valkey: Valkey, limit: int, clients: int
) -> None:
    secret = limited(database, requests_per_minute=limit)
    room(12)
    crowd = Crowd(four, secret, clients, pause=0.05)
    with crowd.asking():
        crowd.until(limit // 3)
        stall(valkey)
        time.sleep(AWAY)

    found = crowd.statuses()
    assert fell_back(four)
    assert found.keys() == {200, 429}
    # More than the limit only by what single processes had let in beyond their even share.
    assert found[200] <= limit + limit // PROCESSES


def test_a_stall_after_the_end_of_a_limit_gives_nothing(
    four: Gateway, database: Database, valkey: Valkey
) -> None:
    secret = limited(database, requests_per_minute=40)
    room(15)
    found = statuses(four, secret, "/proxy/echo/", CLIENTS, 4)
    crowd = Crowd(four, secret, CLIENTS)
    with crowd.asking():
        stall(valkey)
        time.sleep(AWAY)

    assert fell_back(four)
    assert found == {200: 40, 429: CLIENTS * 4 - 40}
    assert crowd.statuses().keys() == {429}


def test_units_that_were_let_in_alone_are_counted_by_valkey(
    four: Gateway, database: Database, valkey: Valkey
) -> None:
    """It stands still from the start, so all are let in alone."""
    secret = limited(database, requests_per_minute=200)
    room(15)
    crowd = Crowd(four, secret, FEW)
    os.kill(valkey.child.pid, signal.SIGSTOP)
    with crowd.asking():
        crowd.until_refused()
        alone = crowd.admitted
        time.sleep(2.5)  # asked again twice, in vain
        os.kill(valkey.child.pid, signal.SIGCONT)
        time.sleep(AWAY)

    assert 200 // PROCESSES <= alone <= crowd.admitted <= 200
