"""The ledger: what exact limits cost the gateway and the database (DESIGN §6).

    .venv/bin/python benchmarks/ledger.py

Statements on one key's lease at 1,000 admitted requests per second; what a request pays in CPU for
lease and fence; how long one waits whose units must be fetched first; and the rate that a key with
all limits keeps of one without any. Needs wrk.
"""

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from typing import Final
from zoneinfo import ZoneInfo

import psycopg
from load import Wrk, demand_wrk
from stage import Bounds, Stage, echo, gateway, median, stage

from apikeys.gate.effects import Take
from apikeys.gate.snapshot import Quota
from apikeys.ledger.keeper import Keeper
from apikeys.ledger.purses import Purses
from proxy.gateway.fence import Fence

RATE: Final = 1_000.0
SECONDS: Final = 5
CONNECTIONS: Final = 32
STATISTICS_SECONDS: Final = 11.0  # an idle PostgreSQL process tells the statistics after ten
REFILLS: Final = 2_000
PER_STATEMENT: Final = 50.0
MANY: Final = 1_000_000_000
LIMITS: Final = (
    "requests_per_second",
    "requests_per_minute",
    "requests_per_day",
    "requests_per_month",
    "requests_lifetime",
    "concurrent_requests",
)
STATEMENTS_SQL: Final = """
SELECT (SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables
         WHERE relname = 'apikeys_lease'),
       (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    given = parser.parse_args()
    demand_wrk()
    bounds = Bounds()
    with stage() as at, echo() as port:
        make = import_module("rows")
        make.upstream("echo", f"http://127.0.0.1:{port}")
        make.tier("month", requests_per_month=MANY)
        make.tier("all", **dict.fromkeys(LIMITS, MANY))
        with gateway(at) as ours:
            month = Wrk(at.directory, [call(make.member_secret("alice", "month", "echo"))])
            statements(at, month, ours.port, bounds)
            without = Wrk(at.directory, [call(make.member_secret("bob", "enterprise", "echo"))])
            limited = Wrk(at.directory, [call(make.member_secret("carol", "all", "echo"))])
            throughput(without, limited, ours.port, given.turns, given.seconds, bounds)
        asyncio.run(in_process(at, bounds))
    return bounds.code


def call(secret: str) -> bytes:
    return f"GET /proxy/echo/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {secret}\r\n\r\n".encode()


def statements(at: Stage, load: Wrk, port: int, bounds: Bounds) -> None:
    load.run(port, 1, connections=CONNECTIONS, rate=RATE)
    time.sleep(STATISTICS_SECONDS)
    before = counted(at)
    found = load.run(port, SECONDS, connections=CONNECTIONS, rate=RATE)
    time.sleep(STATISTICS_SECONDS)
    leases, commits = (now - then for now, then in zip(counted(at), before, strict=True))
    admitted = found.requests - found.refused
    print(f"one key with a month's limit, {admitted / found.seconds:.0f} admitted per second")
    bounds.check("admitted per statement on its lease", admitted / leases, least=PER_STATEMENT)
    quiet = commits / (SECONDS + STATISTICS_SECONDS)
    bounds.check("transactions per second of all kinds, idle times included", quiet)


def counted(at: Stage) -> tuple[int, int]:
    with psycopg.connect(at.database_url, autocommit=True) as connection:
        row = connection.execute(STATEMENTS_SQL).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def throughput(
    without: Wrk, limited: Wrk, port: int, turns: int, seconds: int, bounds: Bounds
) -> None:
    """Pairs of turns, since the machine's speed changes within minutes."""
    ratios: list[float] = []
    for number in range(turns + 1):
        pair = [one.run(port, seconds, connections=CONNECTIONS) for one in (without, limited)]
        if pair[0].refused or pair[1].refused:
            raise SystemExit("a request was refused")
        if number:  # the first warms up
            print(f"  turn {number}: {pair[0].rate:8.0f}/s without {pair[1].rate:8.0f}/s with all")
            ratios.append(pair[1].rate / pair[0].rate)
    bounds.check("rate with all six limits / without any", median(ratios), least=0.85)


async def in_process(at: Stage, bounds: Bounds) -> None:
    fence = Fence(at.database_url, 1.0, follow)
    keeper = Keeper(at.database_url, Purses(fence.process, ZoneInfo("UTC")))
    tasks = [asyncio.create_task(fence.run(report)), asyncio.create_task(keeper.run(report))]
    await fence.renewed.wait()
    await refills(keeper, bounds)
    await per_request(fence, keeper, bounds)
    keeper.close()
    await tasks[1]
    tasks[0].cancel()


async def follow(changes: object) -> None:
    """Nothing is remembered here."""


def report(words: str, error: BaseException) -> None:
    raise SystemExit(f"{words}: {error}")


def wanted(name: str) -> Take:
    return Take((Quota(name, "requests", "month", MANY),), (1,), datetime.now(UTC))


async def refills(keeper: Keeper, bounds: Bounds) -> None:
    """Each the first request of its key: the counter is made, then a lease is taken."""
    waits: list[float] = []
    for number in range(REFILLS):
        take = wanted(f"key:{number}")
        began = time.perf_counter()
        await keeper.take(take)
        waits.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(0.001)
    waits.sort()
    print(f"{REFILLS} requests that had to wait for their units, milliseconds")
    bounds.check("median", median(waits))
    bounds.check("p99", waits[int(len(waits) * 0.99)], most=15)


async def per_request(fence: Fence, keeper: Keeper, bounds: Bounds) -> None:
    """From the purse, as a warm request does; it never runs empty because it is given back."""
    take = wanted("key:warm")
    await keeper.take(take)

    def spend() -> None:
        fence.is_fresh()
        taken = keeper.take_now(take)
        if taken is None:
            raise SystemExit("the purse was empty")
        for charge in taken.charges:
            keeper.purses.refund(charge)

    print("microseconds")
    bounds.check(
        "fence and lease of one request", import_module("gate_pure").per_call(spend), most=6
    )


if __name__ == "__main__":
    sys.exit(main())
