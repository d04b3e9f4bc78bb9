"""When an hour of a key is unusual for that key. Pure: figures in, a verdict with its reasons out.

Robust statistics: the median and the median deviation of the key's own busy hours, which one attack
among them does not move. No rule learns across keys, and none has a hidden state: what a verdict
says can be counted by hand from the usage.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Final, NamedTuple

from apikeys.anomalies.settings import Rule, Thresholds

NORMAL: Final = 1.4826  # makes the median deviation of a normal distribution its standard deviation
BUSIEST: Final = 0.02  # so large a part of a key's hours may be far above the rest, day by day
SEEN: Final = 2.0  # times what the key did before, by day or by week
APART: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SHARE_ABOVE: Final = 0.3  # of failures, above what the key always has
NETWORKS_PER_DAY: Final = 5.0  # times the new networks of a usual day


class Hour(NamedTuple):
    """What a key did in an hour. ``refused``: calls that the gate or a limit let nothing come of.
    ``failures``: other answers 4xx. ``cost``: millionths."""

    at: datetime
    requests: int = 0
    failures: int = 0
    cost: int = 0
    refused: int = 0

    @property
    def answered(self) -> int:
        return max(self.requests - self.refused, self.failures)


class Networks(NamedTuple):
    """``new``: those the key was seen from for the first time in the hour. ``known_days``: since
    its first call from anywhere. ``before``: new ones in the days before, at most network_days."""

    new: int
    known_days: float
    before: int


class Anomaly(NamedTuple):
    """``value`` is above ``threshold``; ``usual``: the median of the key's hours, or its share."""

    rule: Rule
    value: float
    usual: float
    threshold: float


def judge(
    hour: Hour, past: Sequence[Hour], networks: Networks | None, limits: Thresholds
) -> Iterator[Anomaly]:
    """``past``: the key's hours with calls before this one, history_days of them at most. The hour
    may still run: all that is counted only grows."""
    yield from above(Rule.RATE, hour, past, limits.rate_floor, limits)
    yield from above(Rule.COST, hour, past, limits.cost_floor, limits)
    yield from failing(hour, past, limits)
    if networks is not None:
        yield from from_new_networks(networks, limits)


def reached(hour: Hour, networks: Networks | None, limits: Thresholds) -> set[Rule]:
    """Those that judge() may say something of, by what can be told without a past."""
    found = {
        Rule.RATE: hour.answered > limits.rate_floor,
        Rule.COST: hour.cost > limits.cost_floor,
        Rule.FAILURES: hour.failures >= limits.failure_floor
        and hour.failures / hour.answered > limits.failure_share,
        Rule.NETWORKS: networks is not None,
    }
    return {rule for rule, may_be in found.items() if may_be}


def above(
    rule: Rule, hour: Hour, past: Sequence[Hour], floor: int, limits: Thresholds
) -> Iterator[Anomaly]:
    value = measure(rule, hour)
    if value <= floor or not is_known(hour, past, limits):
        return
    values = sorted(measure(rule, each) for each in past)
    usual = median(values)
    spread = NORMAL * median(abs(each - usual) for each in values)
    threshold = max(
        floor,
        usual + limits.deviations * spread,
        limits.factor * usual,
        SEEN * among_the_busiest(values),
        SEEN * at_this_time(rule, hour, past),
    )
    if value > threshold:
        yield Anomaly(rule, value, usual, threshold)


def is_known(hour: Hour, past: Sequence[Hour], limits: Thresholds) -> bool:
    """Nothing is said of a key with little of a past, but of one that is seldom used."""
    if len(past) >= limits.history_hours:
        return True
    return any(hour.at - each.at >= limits.history_days * DAY / 2 for each in past)


def measure(rule: Rule, hour: Hour) -> int:
    """What was refused is no use that anybody made of the key, however often it tries again."""
    return hour.cost if rule is Rule.COST else hour.answered


def among_the_busiest(values: Sequence[int]) -> int:
    """What all but two in a hundred of the hours stay below: one nightly run is more than that. One
    hour, and the busiest of a short past, is left out."""
    return values[max(0, min(math.floor(len(values) * (1 - BUSIEST)), len(values) - 2))]


def at_this_time(rule: Rule, hour: Hour, past: Sequence[Hour]) -> int:
    """The most of an hour that began so many whole days ago, give or take one hour."""
    found = [measure(rule, each) for each in past if is_same_time(hour.at - each.at)]
    return max(found, default=0)


def is_same_time(age: timedelta) -> bool:
    rest = age % DAY
    return age >= DAY - APART and min(rest, DAY - rest) <= APART


def failing(hour: Hour, past: Sequence[Hour], limits: Thresholds) -> Iterator[Anomaly]:
    """Also of a key without a past: none is expected to fail."""
    if hour.failures < limits.failure_floor:
        return
    share = hour.failures / hour.answered
    answered = sum(each.answered for each in past)
    usual = sum(each.failures for each in past) / answered if answered else 0.0
    threshold = max(limits.failure_share, usual + SHARE_ABOVE)
    if share > threshold:
        yield Anomaly(Rule.FAILURES, share, usual, threshold)


def from_new_networks(networks: Networks, limits: Thresholds) -> Iterator[Anomaly]:
    """Where a key is at home shows in its first days."""
    if networks.known_days < limits.network_days:
        return
    usual = networks.before / limits.network_days
    threshold = max(limits.network_floor, math.ceil(NETWORKS_PER_DAY * usual))
    if networks.new >= threshold:
        yield Anomaly(Rule.NETWORKS, networks.new, usual, threshold)
