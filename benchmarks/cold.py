"""What the first check of a key adds to the 99th percentile, under load.

    .venv/bin/python benchmarks/cold.py

One gateway process before an echo upstream. Known keys call at half the rate that the machine can
do (measured first); beside them, in every second turn, keys that are shown for the first time: each
is a cold HMAC check. Needs wrk.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Final, NamedTuple

from flood import call
from load import Load, Wrk, demand_wrk, result
from stage import Bounds, Stage, echo, gateway, median, stage

KNOWN: Final = 50
COLD: Final = 2_500
COLD_RATE: Final = 50.0  # per second
MOST: Final = 10.0  # milliseconds
LABELS: Final = {
    "alone": "known keys alone",
    "beside": "known keys beside first checks",
    "cold": "first checks",
}


class Turn(NamedTuple):
    alone: Load
    beside: Load
    cold: Load


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    given = parser.parse_args()
    demand_wrk()
    with stage() as at, echo() as port:
        make = import_module("rows")
        make.upstream("echo", f"http://127.0.0.1:{port}")
        known = [make.member_secret(f"known-{n}", "enterprise", "echo") for n in range(KNOWN)]
        cold = iter(make.more_secrets(known[0], COLD))
        with gateway(at) as ours:
            wrk = Wrk(at.directory, map(call, known))
            most = median([wrk.run(ours.port, 2).rate for _ in range(3)])
            turns = [
                take_turn(at, ours.port, wrk, cold, most / 2, given.seconds)
                for _ in range(given.turns)
            ]
    return report(turns, most)


def take_turn(
    at: Stage, port: int, known: Wrk, cold: Iterator[str], rate: float, seconds: int
) -> Turn:
    fresh = Wrk(at.directory, map(call, islice(cold, int(COLD_RATE * seconds * 2))))
    alone = known.run(port, seconds, rate=rate)
    running = known.start(port, seconds + 1, rate=rate)
    time.sleep(0.5)
    first = fresh.run(port, seconds, connections=4, rate=COLD_RATE)
    return Turn(alone, result(running), first)


def report(turns: list[Turn], most: float) -> int:
    print(f"known keys at {most / 2:.0f}/s, half of what the machine did; milliseconds, medians")
    for name, loads in zip(Turn._fields, zip(*turns, strict=True), strict=True):
        p50, p99 = median([load.p50 for load in loads]), median([load.p99 for load in loads])
        print(f"  {LABELS[name]:32} {loads[0].rate:7.0f}/s   p50 {p50:7.2f}   p99 {p99:7.2f}")
    bounds = Bounds()
    over = [turn.cold.p99 - turn.beside.p99 for turn in turns]
    bounds.check("p99 of a first check over a known key's, in one turn", median(over), most=MOST)
    added = [turn.beside.p99 - turn.alone.p99 for turn in turns]
    bounds.check("p99 that they add to known keys", median(added), most=MOST)
    return bounds.code


if __name__ == "__main__":
    sys.exit(main())
