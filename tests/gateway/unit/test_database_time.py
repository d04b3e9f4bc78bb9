"""The database's time as a process follows it: never behind, ahead by the shortest recent way."""

import random
from datetime import UTC, datetime

import pytest

from proxy.gateway import fence
from proxy.gateway.fence import KEPT_SECONDS, DatabaseTime

START = 1_800_000_000.0  # the database's clock at our 0
SHORT, LONG = 0.002, 0.3  # seconds of a renewal


def heard(*answers: tuple[float, float, float]) -> float:
    """How far ahead of the first clock it is after these: asked, answered, said after START."""
    time = DatabaseTime()
    for began, ended, said in answers:
        time.hear(began, ended, START + said)
    assert time.ahead is not None
    return round(time.ahead - START, 6)


def test_it_is_ahead_by_no_more_than_the_way() -> None:
    assert heard((1.0, 1.0 + SHORT, 1.0 + SHORT)) == SHORT


def test_a_slow_answer_leaves_it_where_a_quick_one_put_it() -> None:
    assert heard((1.0, 1.0 + SHORT, 1.001), (1.3, 1.3 + LONG, 1.3 + LONG)) == 0.001


def test_a_quicker_answer_brings_it_nearer() -> None:
    assert heard((1.0, 1.0 + LONG, 1.0 + LONG), (1.6, 1.6 + SHORT, 1.601)) == 0.001


def test_a_clock_that_steps_on_is_followed_by_the_answer_that_tells() -> None:
    assert heard((1.0, 1.0 + SHORT, 1.001), (1.3, 1.3 + SHORT, 61.301)) == 60.001


def test_a_clock_that_steps_back_is_followed_at_once() -> None:
    assert heard((1.0, 1.0 + SHORT, 1.001), (1.3, 1.3 + LONG, -58.65)) == pytest.approx(-59.95)


def test_what_was_heard_long_ago_is_forgotten() -> None:
    """The clock may have been slewed meanwhile, by less than a slow answer shows."""
    late = 1.0 + KEPT_SECONDS + 0.1
    slow = (late, late + LONG, late + LONG / 2)

    assert heard((1.0, 1.0 + SHORT, 1.001), slow) == LONG / 2


def test_it_is_never_behind_and_never_further_ahead_than_the_shortest_way() -> None:
    chance = random.Random(5)
    for _ in range(300):
        time, ways, now = DatabaseTime(), [], 0.0
        for _ in range(30):
            there, back = chance.expovariate(50), chance.expovariate(50)
            time.hear(now, now + there + back, START + now + there)
            ways.append(there + back)
            now += 0.3
            assert time.ahead is not None
            assert -1e-6 < time.ahead - START <= min(ways) + 1e-6


def test_it_goes_on_with_our_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    time = DatabaseTime()
    with pytest.raises(RuntimeError):
        time.now()
    time.hear(1.0, 1.5, START + 1.25)

    monkeypatch.setattr(fence, "clock", lambda: 5.0)

    assert time.now() == datetime.fromtimestamp(START + 5.25, UTC)
