"""When a target is out and who may try it: one request at a time, and only that one is believed."""

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from proxy.gateway.attempts import arrived, end
from proxy.gateway.balance import Budget
from proxy.gateway.health import FIRST_REST, LONGEST_REST, Health

OTHERS = [object() for _ in range(5)]
ONE, TWO = object(), object()


@pytest.fixture
def out() -> Health:
    """Put out at 100, with OTHERS under way."""
    health = Health(uuid4())
    health.follow(3, str)
    for each in OTHERS:
        health.enter(each)
    for each in OTHERS[:3]:
        health.failed("hung", 100.0, request=each)
    assert not health.is_in(100.0)
    return health


def test_one_is_let_through_whoever_of_the_others_ends(out: Health) -> None:
    assert out.is_in(100.0 + FIRST_REST)
    out.enter(ONE)

    for each in OTHERS:
        out.leave(each)
    assert not out.is_in(101.0)
    out.leave(ONE)
    assert out.is_in(101.0)
    assert out.load == 0


def test_what_was_under_way_before_prolongs_no_rest(out: Health) -> None:
    for number, each in enumerate(OTHERS):
        out.failed("hung", 101.0 + 5 * number, request=each)

    assert out.is_in(100.0 + FIRST_REST)
    assert out.rest == FIRST_REST


def test_each_that_is_let_through_and_fails_doubles_the_rest(out: Health) -> None:
    now = 100.0
    for number in range(1, 9):
        now += out.rest
        assert out.is_in(now)
        out.enter(ONE)
        out.failed("hung", now, request=ONE)
        out.leave(ONE)
        assert out.rest == min(LONGEST_REST, FIRST_REST * 2**number)
        assert not out.is_in(now + out.rest - 0.01)


def test_one_that_succeeds_brings_it_back(out: Health) -> None:
    out.enter(ONE)
    out.answered(200, 101.0, ONE)

    assert out.is_in(101.0)
    assert out.rest == FIRST_REST


@pytest.mark.parametrize("threshold", [1, 2, 5])
def test_outages_apart_do_not_add_up(threshold: int) -> None:
    """Between two of them requests are answered, which the gateway notes after a failure only."""
    health, now = Health(uuid4()), 100.0
    health.follow(threshold, str)
    for _ in range(8):
        for _ in range(threshold):
            health.failed("no connection", now, provable=True, request=ONE)
        assert not health.is_in(now)
        health.proved(now + 1.0)
        assert health.is_in(now + 1.0)
        for _ in range(3):
            if health.failures:
                health.answered(200, now, TWO)
        now += 1000.0

    assert health.rest == FIRST_REST


def test_who_is_proved_and_fails_again_rests_longer() -> None:
    health, now = Health(uuid4()), 100.0
    health.follow(1, str)
    rests = []
    for _ in range(4):
        health.failed("no connection", now, provable=True, request=ONE)
        rests.append(health.rest)
        now += health.rest
        health.proved(now)

    assert rests == [0.5, 1.0, 2.0, 4.0]


def test_who_moved_gives_its_place_back_once() -> None:
    budget = Budget()
    upstream = SimpleNamespace(budget=budget)
    facts = {"tried": (uuid4(),), "load": None, "retried": False}
    one, two = (SimpleNamespace(upstream=upstream, **facts) for _ in range(2))
    ended: list[Any] = [one, two]
    for _ in ended:
        budget.ask(0, lambda: True)

    for exchange in ended:
        arrived(exchange)
        end(exchange)

    assert budget.moving == 0
