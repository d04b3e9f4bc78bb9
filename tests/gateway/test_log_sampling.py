"""A flood of refusals of nobody known leaves few rows, which say how many there were; a proven
key's refusals leave one each."""

import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apikeys.requestlog.row import ERROR_DETAIL_LENGTH, LogRow
from momentry.common.ids import uuid7
from proxy.gateway.sampling import MOST_SHARED, PER_ADDRESS, PER_PROCESS, SHARED_SECONDS, Sampler
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.logbooks import ids, now
from tests.gateway.processes import Gateway, environment, request, rows_of
from tests.gateway.test_log_writer import NOW
from tests.gateway.wire import Server, within

MORE = re.compile(r"And (\d+) more like it")
FLOOD = 60


def row(code: str = "invalid_key", detail: str = "") -> LogRow:
    return LogRow(NOW, uuid7(), "GET", "/x", 401, code=code, error_detail=detail)


def own_rows(sampler: Sampler, addresses: list[str], at: float = 100.0) -> int:
    return sum(sampler.has_room(address, at) for address in addresses)


def share(sampler: Sampler, address: str, code: str = "invalid_key", at: float = 100.0) -> None:
    if not sampler.joins(address, 401, code):
        sampler.share(address, row(code), at)


def test_an_address_has_some_rows_of_each_second() -> None:
    sampler = Sampler()

    assert own_rows(sampler, ["192.0.2.1"] * 50) == PER_ADDRESS
    assert own_rows(sampler, ["192.0.2.2"] * 5) == 5
    assert own_rows(sampler, ["192.0.2.1"] * 50, at=100.9) == 0
    assert own_rows(sampler, ["192.0.2.1"] * 50, at=101.0) == PER_ADDRESS


def test_many_addresses_share_what_a_process_writes() -> None:
    addresses = [f"192.0.2.{number}" for number in range(200)]

    assert own_rows(Sampler(), addresses) == PER_PROCESS


def test_a_network_of_ipv6_is_one_address() -> None:
    addresses = [f"2001:db8::{number:x}" for number in range(50)]

    assert own_rows(Sampler(), addresses) == PER_ADDRESS


def test_a_shared_row_says_how_many_more_there_were() -> None:
    sampler = Sampler()
    for code in ("invalid_key", "invalid_key", "missing_key", "invalid_key"):
        share(sampler, "192.0.2.1", code)

    assert sampler.due(100.0 + SHARED_SECONDS - 0.01) == []
    first, second = sampler.due(100.0 + SHARED_SECONDS)
    assert (first.code, first.error_detail) == (
        "invalid_key", "And 2 more like it from this address.",
    )  # fmt: skip
    assert (second.code, second.error_detail) == ("missing_key", "")
    assert sampler.due(200.0) == []


def test_of_many_addresses_only_some_are_told_apart() -> None:
    sampler = Sampler()
    for number in range(1000):
        share(sampler, f"192.0.{number // 250}.{number % 250}")
        share(sampler, f"192.0.{number // 250}.{number % 250}", "missing_key")

    rows = sampler.due(0, at_once=True)

    more = [int(found[1]) for one in rows if (found := MORE.search(one.error_detail))]
    assert len(rows) == MOST_SHARED + 2
    assert len(rows) + sum(more) == 2000
    assert {one.error_detail.rpartition(" ")[2] for one in rows if one.error_detail} == {"address."}


def test_a_long_detail_stays_within_its_column() -> None:
    sampler = Sampler()
    sampler.share("192.0.2.1", row(detail="x" * ERROR_DETAIL_LENGTH), 100.0)
    sampler.joins("192.0.2.1", 401, "invalid_key")

    (found,) = sampler.due(200.0)

    assert len(found.error_detail) == ERROR_DETAIL_LENGTH
    assert found.error_detail.endswith("x And 1 more like it from this address.")


# From outside.


@pytest.fixture(scope="module")
def alone(database: Database, directory: Path, django: Server, seeded: str) -> Iterator[Gateway]:
    """One process that nobody else floods."""
    place = str(directory / "django.sock")
    made = Gateway(environment(DATABASE_URL=database.url, DJANGO_SOCKET=place))
    try:
        yield made.wait_until_ready()
    finally:
        made.close_wires()
        made.kill()


@pytest.fixture
def gateway(alone: Gateway) -> Gateway:
    time.sleep(SHARED_SECONDS + 0.3)  # no row is left that the next flood could share
    return alone


def flood(gateway: Gateway, call: bytes, times: int = FLOOD) -> list[str]:
    """One connection, many requests at once; the ids of the answers."""
    wire = gateway.connect().send(call * times)
    return [wire.answer().field("x-request-id") for _ in range(times)]


def told(rows: list[dict[str, Any]]) -> int:
    """How many requests these rows stand for."""
    found = [MORE.search(one["error_detail"]) for one in rows]
    return len(rows) + sum(int(one[1]) for one in found if one)


def figure(gateway: Gateway, key: str, name: str) -> int:
    body = gateway.get("/metrics", key).body.decode()
    return int(float(body.split(f"\nmomentry_gateway_{name} ")[1].split("\n")[0]))


CALLS = {
    "malformed key": ("/proxy/echo/{}", "muser_nonsense"),
    "no key": ("/proxy/echo/{}", ""),
    "refused path": ("/proxy/echo/{}/..", ""),
}


@pytest.mark.parametrize("kind", CALLS)
def test_a_flood_of_nobodys_refusals_leaves_few_rows_that_tell_all(
    gateway: Gateway, database: Database, kind: str
) -> None:
    path, key = CALLS[kind]
    path = path.format(uuid.uuid4().hex)
    began = now(database)
    answered = flood(gateway, request("GET", path, key))

    def rows() -> list[dict[str, Any]]:
        return rows_of(database.conninfo, "path = %s", path)

    assert within(4, lambda: told(rows()) == FLOOD), (told(rows()), rows())
    seconds = (now(database) - began).total_seconds()
    assert PER_ADDRESS < len(rows()) <= (PER_ADDRESS + 2) * (seconds + 1)
    assert {str(one["id"]) for one in rows()} <= set(answered)
    assert str(rows()[0]["id"]) == answered[0]


def test_a_flood_of_malformed_heads_leaves_few_rows(gateway: Gateway, database: Database) -> None:
    began, path = now(database), f"/proxy/echo/{uuid.uuid4().hex}"
    for _ in range(60):
        assert gateway.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\nbad\r\n\r\n".encode()).status == 400

    def rows() -> list[dict[str, Any]]:
        return rows_of(database.conninfo, "path = %s", path)

    assert within(4, lambda: told(rows()) == 60), rows()
    seconds = (now(database) - began).total_seconds()
    assert len(rows()) <= (PER_ADDRESS + 2) * (seconds + 1)


def test_no_refusal_of_a_proven_key_is_left_out(gateway: Gateway, database: Database) -> None:
    fresh = database.key_for(f"s{uuid.uuid4().hex[:8]}", "echo")
    answered = flood(gateway, request("GET", "/proxy/based/x", fresh))

    assert within(4, lambda: len(ids(database, fresh)) == FLOOD)
    assert sorted(ids(database, fresh)) == sorted(answered)


def test_what_shares_a_row_is_counted_and_written_at_the_stop(
    start: Start, database: Database, seeded: str
) -> None:
    with database.rows():
        metrics = make.service_key("metrics").secret
    gateway = start().wait_until_ready()
    path = f"/proxy/echo/{uuid.uuid4().hex}"
    flood(gateway, request("GET", path, "muser_nonsense"))
    shared = figure(gateway, metrics, "log_rows_shared_total")

    assert gateway.stop() == 0

    rows = rows_of(database.conninfo, "path = %s", path)
    assert told(rows) == FLOOD
    assert shared == FLOOD - len(rows)
