"""QTA-07: gateways whose clocks are an hour ahead, an hour behind and jumping give nothing away."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.gateway.books import books, used
from tests.gateway.clocks import Clock
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import limited, room, subject_of
from tests.gateway.processes import Gateway, request, rows_of
from tests.gateway.wire import within

pytestmark = pytest.mark.slow
HOUR, CLIENTS, EACH = 3600, 48, 12
AHEAD = timedelta(seconds=0.5)  # a process's idea of the database's time, at the most
LAST_USE = "SELECT last_used_at FROM apikeys_apikey WHERE id = %s"
NAMES = ("ahead", "behind", "jumping")


class Skewed(NamedTuple):
    """A gateway of two processes, whose clock may be ``clock``."""

    clock: Clock
    gateway: Gateway


@pytest.fixture
def skewed(start: Start, seeded: str, tmp_path: Path) -> Iterator[list[Skewed]]:
    clocks = [Clock(tmp_path / name) for name in NAMES]
    clocks[0].step(HOUR)
    clocks[1].step(-HOUR)
    found = [Skewed(clock, start(2, **clock.environment)) for clock in clocks]
    over = threading.Event()
    jumper = threading.Thread(target=jump, args=(clocks[2], over))
    jumper.start()
    try:
        for each in found:
            each.gateway.wait_until_ready()
        yield found
    finally:
        over.set()
        jumper.join()


def jump(clock: Clock, over: threading.Event) -> None:
    """Past the ends of seconds, minutes, days and months, and back."""
    for offset in cycle((0.0, 61.0, -61.0, 1.5, HOUR, -HOUR, 26 * HOUR, 32 * 24 * HOUR, -1.5)):
        clock.step(offset)
        if over.wait(0.07):
            return


def ask(gateway: Gateway, secret: str) -> list[int]:
    wire, call = gateway.connect(), request("GET", "/proxy/echo/", secret)
    return [wire.send(call).answer().status for _ in range(EACH)]


def load(skewed: list[Skewed], secret: str) -> Counter[int]:
    gateways = list(islice(cycle([each.gateway for each in skewed]), CLIENTS))
    with ThreadPoolExecutor(CLIENTS) as threads:
        found = threads.map(ask, gateways, [secret] * CLIENTS)
        return Counter(status for some in found for status in some)


def test_their_clocks_are_what_this_file_says(skewed: list[Skewed]) -> None:
    for each, offset in zip(skewed[:2], (HOUR, -HOUR), strict=True):
        said = datetime.fromisoformat(json.loads(each.gateway.lines[0])["ts"])
        assert abs(said.timestamp() - offset - time.time()) < 60


def test_quotas_are_exact(skewed: list[Skewed], database: Database) -> None:
    secret = limited(database, requests_per_day=400, requests_per_month=300)

    found = load(skewed, secret) + load(skewed, secret)

    assert found == {200: 300, 429: 2 * CLIENTS * EACH - 300}
    assert used(database, secret) == 600  # of the day and of the month
    assert len(books(database, subject_of(database, secret))) == 2


def test_a_minute_does_not_begin_anew(skewed: list[Skewed], database: Database) -> None:
    secret = limited(database, requests_per_minute=45)
    leased = limited(database, requests_per_minute=400)
    room(15)

    found, on_lease = load(skewed, secret), load(skewed, leased)
    time.sleep(2.2)  # what lies still is given back
    found += load(skewed, secret)
    for _ in range(2):
        on_lease += load(skewed, leased)
        time.sleep(2.2)

    assert found[200] == 45
    assert on_lease[200] == 400
    assert set(found) == set(on_lease) == {200, 429}


def test_a_key_ends_by_the_databases_clock(skewed: list[Skewed], database: Database) -> None:
    secret = limited(database, requests_per_month=10_000)
    key_id = uuid.UUID(secret.split("_")[1])
    database.change(
        "UPDATE apikeys_apikey SET expires_at = now() + interval '3 seconds' WHERE id = %s", key_id
    )
    ((end, now),) = database.fetch(
        "SELECT expires_at, clock_timestamp() FROM apikeys_apikey WHERE id = %s", key_id
    )
    assert isinstance(end, datetime)
    assert isinstance(now, datetime)

    before = [each.gateway.get("/proxy/echo/", secret).status for each in skewed * 3]
    time.sleep((end - now).total_seconds())
    after = [each.gateway.get("/proxy/echo/", secret).status for each in skewed * 3]

    assert (set(before), set(after)) == ({200}, {401})


def test_rows_and_resets_are_told_by_the_databases_clock(
    skewed: list[Skewed], database: Database
) -> None:
    secret = limited(database, requests_per_minute=10_000, requests_per_day=10_000)
    key_id = uuid.UUID(secret.split("_")[1])
    ((began,),) = database.fetch("SELECT clock_timestamp()")
    assert isinstance(began, datetime)

    answers = [each.gateway.get("/proxy/echo/", secret) for each in skewed * 8]

    left = 60 - began.timestamp() % 60
    for answer in answers:
        items = dict(item.split(";", 1) for item in answer.field("ratelimit").split(", "))
        told = int(items['"minute"'].partition("t=")[2])
        assert (left + 1 - told) % 60 < 10  # seconds since
    assert within(3, lambda: len(rows_of(database.url, "key_id = %s", key_id)) == len(answers))
    assert within(5, lambda: database.fetch(LAST_USE, key_id) != [(None,)])
    ((ended, last_use),) = database.fetch(f"SELECT clock_timestamp(), ({LAST_USE})", key_id)
    assert isinstance(ended, datetime)
    assert isinstance(last_use, datetime)
    times = [row["ts"] for row in rows_of(database.url, "key_id = %s", key_id)]
    assert all(began - AHEAD <= at <= ended for at in (*times, last_use))
