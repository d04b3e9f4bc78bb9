"""Kept inputs and a few hundred fresh ones: every target holds; SMG-01, SMG-02, PRX-04, PRX-07."""

import pytest

from tests.gateway.fuzz.corpus import escaped, load, unescaped
from tests.gateway.fuzz.mutator import Mutator
from tests.gateway.fuzz.targets import TARGETS

FRESH = 500
NAMES = sorted(TARGETS)


@pytest.mark.parametrize("name", NAMES)
def test_kept_inputs(name: str) -> None:
    kept = load(name)

    assert kept
    for data in kept:
        TARGETS[name].check(data)


@pytest.mark.parametrize("name", NAMES)
def test_valid_inputs_and_what_a_seed_makes_of_them(name: str) -> None:
    target = TARGETS[name]
    mutator = Mutator(20_260_101, target.seeds, target.tokens)

    for data in [*target.seeds, *(mutator.next() for _ in range(FRESH))]:
        try:
            target.check(data)
        except Exception as error:
            raise AssertionError(escaped(data)) from error


def test_a_seed_always_makes_the_same() -> None:
    made = [[Mutator(7, [b"GET / 1"]).next() for _ in range(2)] for _ in range(2)]

    assert made[0] == made[1]
    assert unescaped(escaped(bytes(range(256)))) == bytes(range(256))
