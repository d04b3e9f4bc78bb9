"""QTA-01: exactly L of what many clients ask of four processes, ten times of ten."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

from tests.gateway.books import used
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, request

pytestmark = pytest.mark.slow
LIMIT, CLIENTS, EACH, RUNS = 500, 64, 12, 10


def test_exactly_the_limit_is_admitted_by_four_processes(
    start: Start, seeded: str, database: Database
) -> None:
    gateway = start(4).wait_until_ready()
    for run in range(RUNS):
        secret = database.key_for(f"run{run}-{uuid.uuid4().hex[:6]}", "echo", monthly=LIMIT)

        with ThreadPoolExecutor(CLIENTS) as threads:
            statuses = [
                status
                for some in threads.map(ask, repeat(gateway, CLIENTS), repeat(secret))
                for status in some
            ]

        assert statuses.count(200) == LIMIT
        assert statuses.count(429) == CLIENTS * EACH - LIMIT
        assert used(database, secret) == LIMIT


def ask(gateway: Gateway, secret: str) -> list[int]:
    wire = gateway.connect()
    call = request("GET", "/proxy/echo/", secret)
    return [wire.send(call).answer().status for _ in range(EACH)]
