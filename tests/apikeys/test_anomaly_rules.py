"""When an hour of a key is unusual for it: the rules by themselves, on figures."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from apikeys.anomalies.rules import Anomaly, Hour, Networks, judge
from apikeys.anomalies.settings import MICRO, USUAL, Rule, read_anomalies
from momentry.common.env import ConfigurationError, Environment

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def past(requests: Sequence[int], **given: int) -> list[Hour]:
    """The last of them an hour ago."""
    at = NOW - len(requests) * HOUR
    return [Hour(at + number * HOUR, count, **given) for number, count in enumerate(requests)]


def steady(count: int = 100, hours: int = 336) -> list[Hour]:
    chance = random.Random(1)
    return past([count + chance.randrange(-count // 5, count // 5) for _ in range(hours)])


def rules(hour: Hour, history: Sequence[Hour], networks: Networks | None = None) -> list[Rule]:
    return [found.rule for found in judge(hour, history, networks, USUAL)]


@pytest.mark.parametrize(
    ("count", "found"), [(100, []), (299, []), (301, [Rule.RATE]), (50_000, [Rule.RATE])]
)
def test_a_key_that_calls_much_more_than_ever_is_unusual(count: int, found: list[Rule]) -> None:
    assert rules(Hour(NOW, count), steady(50)) == found


def test_who_tries_again_and_again_at_a_limit_uses_the_key_no_more_than_before() -> None:
    assert rules(Hour(NOW, 50_050, refused=50_000), steady(50)) == []
    assert rules(Hour(NOW, 50_400, refused=50_000), steady(50)) == [Rule.RATE]


def test_what_was_refused_in_the_past_is_not_what_is_usual() -> None:
    history = past([50_050] * 336, refused=50_000)

    assert rules(Hour(NOW, 400), history) == [Rule.RATE]


def test_the_verdict_says_what_it_was_judged_by() -> None:
    (found,) = judge(Hour(NOW, 5000), past([200] * 336), None, USUAL)

    assert found == Anomaly(Rule.RATE, value=5000, usual=200, threshold=600)


def test_a_busy_key_is_judged_by_its_own_size() -> None:
    assert rules(Hour(NOW, 12_000), steady(10_000)) == []
    assert rules(Hour(NOW, 40_000), steady(10_000)) == [Rule.RATE]


def test_a_key_that_varies_much_may_vary() -> None:
    chance = random.Random(2)
    history = past([int(chance.lognormvariate(5, 1)) for _ in range(336)])

    assert rules(Hour(NOW, 1000), history) == []


def test_one_attack_in_the_past_hides_no_other() -> None:
    counts = [50] * 336
    counts[100] = 1_000_000

    assert rules(Hour(NOW, 5000), past(counts)) == [Rule.RATE]


def test_a_nightly_run_is_as_usual_and_the_same_at_another_time_is_too() -> None:
    nightly = [10_000 if hour % 24 == 0 else 50 for hour in range(336)]

    assert rules(Hour(NOW, 11_000), past(nightly)) == []
    assert rules(Hour(NOW + 5 * HOUR, 11_000), past(nightly)) == []
    assert rules(Hour(NOW, 40_000), past(nightly)) == [Rule.RATE]


def test_a_weekly_run_is_as_usual_at_its_time_only() -> None:
    weekly = [10_000 if hour % 168 == 0 else 50 for hour in range(336)]
    late = [hour._replace(at=hour.at - 12 * HOUR) for hour in past(weekly)]

    assert rules(Hour(NOW, 11_000), past(weekly)) == []
    assert rules(Hour(NOW, 11_000), late) == [Rule.RATE]


def test_who_grows_is_told_of_for_some_hours_only() -> None:
    counts = [100] * 336

    told = 0
    for _ in range(48):
        told += rules(Hour(NOW, 1000), past(counts)) == [Rule.RATE]
        counts = [*counts[1:], 1000]

    assert 1 <= told <= 8


def test_a_key_without_much_of_a_past_is_not_judged_by_it() -> None:
    assert rules(Hour(NOW, 50_000), steady(hours=23)) == []
    assert rules(Hour(NOW, 50_000), steady(hours=24)) == [Rule.RATE]


def test_a_key_that_is_seldom_used_is_judged_by_the_little_there_is() -> None:
    seldom = [Hour(NOW - timedelta(days=days), 20) for days in (13, 6, 2)]

    assert rules(Hour(NOW, 400), seldom) == [Rule.RATE]
    assert rules(Hour(NOW, 400), seldom[1:]) == []


def test_cost_is_judged_as_calls_are() -> None:
    history = past([100] * 336, cost=MICRO // 10)

    assert rules(Hour(NOW, 100, cost=MICRO), history) == []
    assert rules(Hour(NOW, 100, cost=20 * MICRO), history) == [Rule.COST]


@pytest.mark.parametrize(
    ("requests", "failures", "found"),
    [(200, 99, []), (200, 101, [Rule.FAILURES]), (1000, 400, []), (10, 10, [])],
)
def test_many_failures_are_unusual(requests: int, failures: int, found: list[Rule]) -> None:
    assert rules(Hour(NOW, requests, failures), []) == found


def test_what_was_refused_neither_fails_nor_hides_failures() -> None:
    assert rules(Hour(NOW, 1000, 0, refused=1000), []) == []
    assert rules(Hour(NOW, 1000, 150, refused=800), []) == [Rule.FAILURES]
    assert rules(Hour(NOW, 1000, 150, refused=500), []) == []
    history = past([1000] * 336, failures=160, refused=800)
    assert rules(Hour(NOW, 1000, 190, refused=800), history) == []


def test_who_always_fails_is_as_usual() -> None:
    history = past([200] * 336, failures=160)

    assert rules(Hour(NOW, 200, 190), history) == []


@pytest.mark.parametrize(
    ("networks", "found"),
    [
        (Networks(3, 30, 0), [Rule.NETWORKS]),
        (Networks(2, 30, 0), []),
        (Networks(50, 6.9, 0), []),  # where it is at home still shows
        (Networks(5, 30, 14), []),  # who is somewhere else twice a day
        (Networks(20, 30, 14), [Rule.NETWORKS]),
    ],
)
def test_new_networks_are_counted_against_those_of_usual_days(
    networks: Networks, found: list[Rule]
) -> None:
    assert rules(Hour(NOW, 10), [], networks) == found


def test_an_hour_can_be_unusual_in_every_way() -> None:
    hour = Hour(NOW, 10_000, 9000, 100 * MICRO)

    assert set(rules(hour, steady(), Networks(10, 30, 0))) == set(Rule)


def test_thresholds_are_read_from_the_environment() -> None:
    read = read_anomalies(Environment({
        "ANOMALY_RATE_FLOOR": "7", "ANOMALY_COST_FLOOR": "0.5", "ANOMALY_QUARANTINE": "rate, cost",
    }))  # fmt: skip

    assert (read.rate_floor, read.cost_floor) == (7, MICRO // 2)
    assert read.quarantine == {Rule.RATE, Rule.COST}
    assert read_anomalies(Environment({})) == USUAL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANOMALY_FACTOR", "0.5"), ("ANOMALY_FAILURE_SHARE", "1.5"), ("ANOMALY_RATE_FLOOR", "0"),
        ("ANOMALY_QUARANTINE", "everything"), ("ANOMALY_HISTORY_DAYS", "x"),
    ],
)  # fmt: skip
def test_a_threshold_that_is_none_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_anomalies(Environment({name: value}))
