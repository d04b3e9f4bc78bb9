"""How many units a process takes on lease at once: more for a counter that is spent from fast."""

import pytest

from apikeys.gate.snapshot import Quota
from tests.apikeys.test_purses import Process, books, quota

pytestmark = pytest.mark.django_db
LARGE = 10**9


@pytest.fixture
def one() -> Process:
    return Process("one")


def spend(process: Process, of: Quota, fillings: int, seconds: float, units: int = 1) -> list[int]:
    """Fill the purse so often, with so much time in between; what is on lease after each."""
    found = []
    for _ in range(fillings):
        process.clock += seconds
        process.take(of, units=units)
        purse = process.purses.purses[of[:3]]
        while purse.left >= units:
            process.take(of, units=units)
        process.purses.low.clear()
        found.append(books(of)[1])
    return found


def test_each_is_twice_the_last_up_to_four_thousand_requests(one: Process) -> None:
    assert spend(one, quota(LARGE), 7, 0.4) == [256, 256, 512, 1024, 2048, 4096, 4096]


def test_slow_ones_stay_small_and_become_small_again(one: Process) -> None:
    month = quota(LARGE)

    assert spend(one, month, 3, 0.6) == [256] * 3
    assert spend(one, month, 3, 0.4) == [256, 512, 1024]
    assert spend(one, month, 5, 4.1) == [2048, 1024, 512, 256, 256]


def test_large_units_are_counted_in_requests(one: Process) -> None:
    tokens = quota(LARGE)

    assert spend(one, tokens, 4, 0.4, units=1000) == [1000, 1000, 1000, 1024]


def test_an_eighth_of_what_is_left_is_the_bound(one: Process) -> None:
    held = spend(one, quota(8000), 6, 0.1)

    assert held[:2] == [256, 256]
    assert max(held) <= 1000
    assert held[-1] < max(held)


def test_what_was_given_up_begins_anew(one: Process) -> None:
    month = quota(LARGE)
    assert spend(one, month, 4, 0.1)[-1] == 1024

    one.recalled()
    one.take(month)

    assert books(month)[1] == 256
