"""ANOMALY_*: from when on a key's hour is unusual, and what is done about it."""

from enum import StrEnum
from typing import Final, NamedTuple

from momentry.common.env import Environment, fail

MICRO: Final = 1_000_000
QUARANTINE: Final = "ANOMALY_QUARANTINE"


class Rule(StrEnum):
    RATE = "rate"
    FAILURES = "failures"
    NETWORKS = "networks"
    COST = "cost"


class Thresholds(NamedTuple):
    """docs/anomalies.md says what each is for. ``cost_floor``: millionths."""

    history_days: int = 14
    history_hours: int = 24
    deviations: float = 6.0
    factor: float = 3.0
    rate_floor: int = 300
    cost_floor: int = MICRO
    failure_floor: int = 100
    failure_share: float = 0.5
    network_floor: int = 3
    network_days: int = 7
    quarantine: frozenset[Rule] = frozenset()


USUAL: Final = Thresholds()


def read_anomalies(env: Environment) -> Thresholds:
    """Raises ConfigurationError."""
    days = env.integer("ANOMALY_HISTORY_DAYS", USUAL.history_days, low=2, high=60)
    cost = env.number("ANOMALY_COST_FLOOR", USUAL.cost_floor / MICRO, low=0.000001, high=1e9)
    return Thresholds(
        history_days=days,
        history_hours=env.integer(
            "ANOMALY_HISTORY_HOURS", USUAL.history_hours, low=2, high=days * 24
        ),
        deviations=env.number("ANOMALY_DEVIATIONS", USUAL.deviations, low=1, high=1000),
        factor=env.number("ANOMALY_FACTOR", USUAL.factor, low=1, high=1000),
        rate_floor=env.integer("ANOMALY_RATE_FLOOR", USUAL.rate_floor, low=1),
        cost_floor=round(cost * MICRO),
        failure_floor=env.integer("ANOMALY_FAILURE_FLOOR", USUAL.failure_floor, low=1),
        failure_share=env.number("ANOMALY_FAILURE_SHARE", USUAL.failure_share, low=0.01, high=1),
        network_floor=env.integer("ANOMALY_NETWORK_FLOOR", USUAL.network_floor, low=1),
        network_days=env.integer("ANOMALY_NETWORK_DAYS", USUAL.network_days, low=1, high=30),
        quarantine=read_rules(env.words(QUARANTINE)),
    )


def read_rules(words: list[str]) -> frozenset[Rule]:
    try:
        return frozenset(map(Rule, words))
    except ValueError:
        fail(QUARANTINE, f"must be a list of {', '.join(Rule)}.")
