"""AUTH-13: what 5,000 malformed keys per second cost a good client and the database.

    .venv/bin/python benchmarks/flood.py

Two gateway processes before an echo upstream. First the flood alone: what it spends, how often
PostgreSQL was asked for a key, and how many log rows it leaves. Then a good client at a steady
rate, in turns alone and beside the flood. Needs wrk, and a machine with nothing else to do: "cores
busy" tells.
"""

import argparse
import sys
import time
from importlib import import_module
from typing import Final, NamedTuple

import psycopg
from load import Load, Wrk, demand_wrk, result
from stage import Bounds, Meter, Stage, busy, echo, gateway, median, stage

from tests.gateway.processes import Gateway

RATE: Final = 5_000.0
CONNECTIONS: Final = 200  # every refusal is held for 11 ms
GOOD_RATE: Final = 100.0
GOOD_CONNECTIONS: Final = 4
WORKERS: Final = 2
MOST: Final = 3.0
MOST_ROWS: Final = 15.0  # of each process: the flood comes from one address
STATISTICS_SECONDS: Final = 11.0  # an idle PostgreSQL process tells the statistics after ten
REACHED: Final = 0.95  # of the rate: below it the client or the gateway could not
COUNT_SQL: Final = """
SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 'apikeys_apikey'
"""


class Turn(NamedTuple):
    good: Load
    flood: Load | None
    busy: float  # cores that the whole machine kept busy


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rate", type=float, default=RATE)
    given = parser.parse_args()
    demand_wrk()
    with stage() as at, echo() as port:
        make = import_module("rows")
        make.upstream("echo", f"http://127.0.0.1:{port}")
        secret = make.member_secret("alice", "enterprise", "echo")
        good = Wrk(at.directory, [call(secret)])
        bad = Wrk(at.directory, [call(altered(secret, place)) for place in range(6, len(secret))])
        bounds = Bounds()
        with gateway(at, workers=WORKERS) as ours:
            flood_alone(at, ours, bad, given.seconds, given.rate, bounds)
            pairs = [
                (
                    turn(ours.port, good, None, given.seconds, 0),
                    turn(ours.port, good, bad, given.seconds, given.rate),
                )
                for _ in range(given.turns)
            ]
        report(pairs, bounds)
    return bounds.code


def flood_alone(
    at: Stage, ours: Gateway, bad: Wrk, seconds: int, rate: float, bounds: Bounds
) -> None:
    bad.run(ours.port, 1, connections=CONNECTIONS, rate=rate)
    time.sleep(STATISTICS_SECONDS)
    before, rows, meter = look_ups(at), log_rows(at), Meter(at, ours.children())
    load = bad.run(ours.port, seconds, connections=CONNECTIONS, rate=rate)
    spent = meter.spent()
    time.sleep(STATISTICS_SECONDS)
    if load.refused != load.requests:
        raise SystemExit("not all malformed keys were refused")
    print(f"the flood alone, {WORKERS} processes")
    bounds.check("malformed keys per second", load.rate, least=REACHED * rate)
    bounds.check("look-ups of keys in PostgreSQL", look_ups(at) - before, most=0.5)
    bounds.check("log rows per second", (log_rows(at) - rows) / seconds, most=MOST_ROWS * WORKERS)
    for name, used in spent._asdict().items():
        bounds.check(f"CPU microseconds each, {name}", used / load.requests * 1e6)


def look_ups(at: Stage) -> int:
    with psycopg.connect(at.database_url, autocommit=True) as connection:
        row = connection.execute(COUNT_SQL).fetchone()
    return int(row[0]) if row else 0


def log_rows(at: Stage) -> int:
    with psycopg.connect(at.database_url, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM apikeys_requestlog").fetchone()
    return int(row[0]) if row else 0


def turn(port: int, good: Wrk, bad: Wrk | None, seconds: int, rate: float) -> Turn:
    flood = bad and bad.start(port, seconds + 1, connections=CONNECTIONS, rate=rate)
    time.sleep(0.5)
    began, worked = time.monotonic(), busy()
    found = good.run(port, seconds, connections=GOOD_CONNECTIONS, rate=GOOD_RATE)
    cores = (busy() - worked) / (time.monotonic() - began)
    if found.refused:
        raise SystemExit(f"the good client was refused {found.refused} times")
    return Turn(found, result(flood) if flood else None, cores)


def call(secret: str) -> bytes:
    return f"GET /proxy/echo/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {secret}\r\n\r\n".encode()


def altered(secret: str, place: int) -> str:
    return secret[:place] + ("a" if secret[place] != "a" else "b") + secret[place + 1 :]


def report(pairs: list[tuple[Turn, Turn]], bounds: Bounds) -> None:
    print("\ngood client             flood     p50 ms    p99 ms   cores busy")
    for number, pair in enumerate(pairs, 1):
        for name, found in zip(("alone", "beside"), pair, strict=True):
            rate = f"{found.flood.rate:.0f}/s" if found.flood else ""
            good = f"{found.good.p50:8.2f}  {found.good.p99:8.2f}"
            print(f"  turn {number}, {name:7} {rate:>10}   {good} {found.busy:12.1f}")
    ratios = [beside.good.p99 / alone.good.p99 for alone, beside in pairs]
    bounds.check("good client's p99, beside / alone", median(ratios), most=MOST)


if __name__ == "__main__":
    sys.exit(main())
