"""Which unusual hours the rules find, and how often they cry wolf. Pure, the same in every run:

    .venv/bin/python benchmarks/anomalies.py [--keys 40]

Four weeks of hours of keys that behave as keys do (each kind of them named below), the last two of
them judged by the default thresholds. In one labelled hour of a copy of each key somebody misuses
it, in one of six ways. Hits are labelled hours that a rule told of; a false alarm is any other hour
of a key that one told of.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Final, NamedTuple

from stage import Bounds

from apikeys.anomalies.rules import Hour, Networks, judge
from apikeys.anomalies.settings import MICRO, USUAL

START: Final = datetime(2026, 5, 4, tzinfo=UTC)  # a Monday
HOUR: Final = timedelta(hours=1)
DAYS: Final = 28
JUDGED: Final = DAYS // 2
CALL: Final = 400  # millionths: what one call of a language model costs here


class Trace(NamedTuple):
    """``hours`` in their order; ``seen``: new networks by hour."""

    hours: list[Hour]
    seen: Counter[datetime]


Shape = Callable[[random.Random, datetime], float]


def at_desk(chance: random.Random, at: datetime) -> float:
    is_open = at.weekday() < 5 and 8 <= at.hour < 18
    return chance.lognormvariate(4, 0.5) if is_open else chance.choice([0, 0, 0, 2])


def poller(chance: random.Random, at: datetime) -> float:
    return 720 + chance.randrange(-8, 9)


def nightly(chance: random.Random, at: datetime) -> float:
    return 8000 * chance.uniform(0.8, 1.2) if at.hour == 2 else chance.randrange(20)


def weekly(chance: random.Random, at: datetime) -> float:
    is_due = at.weekday() == 6 and at.hour in {22, 23}
    return 3000 * chance.uniform(0.9, 1.1) if is_due else chance.randrange(30)


def bursty(chance: random.Random, at: datetime) -> float:
    return chance.lognormvariate(5, 0.8)


def growing(chance: random.Random, at: datetime) -> float:
    days = (at - START) / timedelta(days=1)
    return float(200 * 1.04**days * chance.uniform(0.8, 1.2))


def doubled(chance: random.Random, at: datetime) -> float:
    """A release on the 20th day: twice the calls from then on."""
    return (400 if (at - START).days < 20 else 800) * chance.uniform(0.8, 1.2)


def seldom(chance: random.Random, at: datetime) -> float:
    return chance.randrange(1, 40) if chance.random() < 0.03 else 0


def out_of_quota(chance: random.Random, at: datetime) -> float:
    """What retries as soon as it is refused calls more."""
    return (250 if at.hour < 20 else 500) * chance.uniform(0.9, 1.1)


def expired(chance: random.Random, at: datetime) -> float:
    return 150 + chance.randrange(-8, 9)


KINDS: Final[dict[str, Shape]] = {
    "office hours": at_desk, "a poller": poller, "a nightly run": nightly, "a weekly run": weekly,
    "bursts": bursty, "4 % more each day": growing, "twice as much from a day on": doubled,
    "now and then": seldom, "out of its quota each evening": out_of_quota,
    "a client of an expired key": expired,
}  # fmt: skip
# From when on the gate refuses all of a kind's calls.
REFUSED: Final[dict[str, Callable[[datetime], bool]]] = {
    "out of its quota each evening": lambda at: at.hour >= 20,
    "a client of an expired key": lambda at: at >= START + 20 * 24 * HOUR,
}


# Of all calls: how many fail, and how many networks a day are new.
FAILING: Final = (0.0, 0.01, 0.05, 0.7)
MOVING: Final = (0.0, 0.0, 0.1, 1.0)


def trace(kind: str, number: int) -> Trace:
    chance = random.Random(f"{kind} {number}")  # noqa: S311  the same each time
    shape, failing, moving = KINDS[kind], FAILING[number % 4], MOVING[number // 4 % 4]
    hours: list[Hour] = []
    seen: Counter[datetime] = Counter()
    for step in range(DAYS * 24):
        at = START + step * HOUR
        if count := round(shape(chance, at)):
            failures = sum(chance.random() < failing for _ in range(min(count, 200)))
            if kind in REFUSED and REFUSED[kind](at):
                hours.append(Hour(at, count, refused=count))
            else:
                hours.append(Hour(at, count, failures * count // min(count, 200), count * CALL))
            seen[at] += chance.random() < moving / 10
    seen[hours[0].at] += 1
    return Trace(hours, seen)


def scraped(chance: random.Random, hour: Hour) -> tuple[Hour, int]:
    return hour._replace(requests=hour.requests + 20_000), 0


def shared(chance: random.Random, hour: Hour) -> tuple[Hour, int]:
    return hour._replace(requests=hour.requests + 500), chance.randrange(5, 40)


def resold(chance: random.Random, hour: Hour) -> tuple[Hour, int]:
    """Few calls, each of them a large one."""
    return hour._replace(requests=hour.requests + 200, cost=hour.cost + 60 * MICRO), 1


def tried_out(chance: random.Random, hour: Hour) -> tuple[Hour, int]:
    """What is there? Most of what is guessed is not."""
    more = 3 * hour.requests + 500
    return hour._replace(requests=hour.requests + more, failures=hour.failures + more), 1


def borrowed(chance: random.Random, hour: Hour) -> tuple[Hour, int]:
    """Five times what the key does anyway."""
    return hour._replace(requests=5 * hour.requests, cost=5 * hour.cost), 1


def unobtrusive(chance: random.Random, hour: Hour) -> tuple[Hour, int]:
    """A tenth more, from one place: no rule is expected to see it."""
    return hour._replace(requests=hour.requests * 11 // 10), 1


MISUSES: Final = {
    "scraping, 20,000 calls": scraped, "shared, 5 to 40 networks": shared,
    "resold, large calls": resold, "tried out, not found": tried_out,
    "five times the usual": borrowed, "a tenth more": unobtrusive,
}  # fmt: skip


def told(given: Trace, place: int, hour: Hour, more_networks: int = 0) -> bool:
    """Does a rule tell of this hour, in the place of the one that the key had?"""
    oldest = hour.at - USUAL.history_days * 24 * HOUR
    past = [each for each in given.hours[:place] if each.at >= oldest]
    before = hour.at - USUAL.network_days * 24 * HOUR
    networks = Networks(
        given.seen[hour.at] + more_networks,
        (hour.at - given.hours[0].at) / timedelta(days=1),
        sum(count for at, count in given.seen.items() if before <= at < hour.at),
    )
    return any(True for _ in judge(hour, past, networks, USUAL))


def judged(given: Trace) -> Iterator[tuple[int, Hour]]:
    end = START + JUDGED * 24 * HOUR
    return ((place, hour) for place, hour in enumerate(given.hours) if hour.at >= end)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=40, help="of each kind")
    keys = parser.parse_args().keys
    bounds, hits, alarms = Bounds(), Counter[str](), Counter[str]()
    for kind in KINDS:
        for number in range(keys):
            given = trace(kind, number)
            alarms[kind] += sum(told(given, place, hour) for place, hour in judged(given))
            chance = random.Random(number)  # noqa: S311  the same each time
            place, hour = chance.choice(list(judged(given)))
            for name, misuse in MISUSES.items():
                hits[name] += told(given, place, *misuse(chance, hour))
    total = keys * len(KINDS)
    for name, count in hits.items():
        bounds.check(f"% of hours told of: {name}", 100 * count / total, least=LEAST.get(name, 0))
    for kind, count in alarms.items():
        most = 0.01 if kind in REFUSED else 0
        bounds.check(f"false alarms of a key in two weeks: {kind}", count / keys, most=most)
    admitted = [alarms[kind] / keys for kind in KINDS if kind not in REFUSED]
    bounds.check("false alarms of a key in two weeks", fmean(admitted), most=MOST)
    return bounds.code


LEAST: Final = {"scraping, 20,000 calls": 99.0, "shared, 5 to 40 networks": 95.0,
                "resold, large calls": 99.0, "tried out, not found": 90.0,
                "five times the usual": 35.0}  # fmt: skip
MOST: Final = 0.1


if __name__ == "__main__":
    sys.exit(main())
