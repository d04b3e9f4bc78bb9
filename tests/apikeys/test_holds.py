"""What a call holds of budgets ends once: settled, or refunded."""

from datetime import UTC, datetime

import pytest

from apikeys.gate.holds import LOOK, Held, Hold, hold_of, unspent
from apikeys.gate.verdict import Charge

START = datetime(2026, 11, 21, tzinfo=UTC)
REQUEST = Charge("member:1", "requests", "month", START, 1)
TOKENS = Charge("member:1", "tokens", "day", START, 1500)
OWN = Charge("key:2", "tokens", "month", START, 1500)
COST = Charge("member:1", "cost_micro", "day", START, 7500)
CHARGES = (REQUEST, TOKENS, OWN, COST)


class Ledger:
    """Remembers what came back."""

    def __init__(self):
        self.back = []

    def give_back(self, charges):
        self.back.append(charges)


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def held(ledger):
    return Held(CHARGES, ledger.give_back)


def units(charges):
    return {(charge.subject, charge.metric): charge.units for charge in charges}


def test_settling_gives_back_what_was_not_spent_and_keeps_the_request(held, ledger):
    assert held.settle(tokens=812, cost_micro=4100)

    assert len(ledger.back) == 1
    assert units(ledger.back[0]) == {
        ("member:1", "tokens"): 688, ("key:2", "tokens"): 688, ("member:1", "cost_micro"): 3400,
    }  # fmt: skip


def test_what_was_spent_beyond_the_hold_is_counted(held, ledger):
    held.settle(tokens=1501, cost_micro=7500)

    assert units(ledger.back[0]) == {("member:1", "tokens"): -1, ("key:2", "tokens"): -1}


def test_what_nobody_knows_counts_as_it_was_held(held, ledger):
    assert held.settle(tokens=None, cost_micro=None)

    assert ledger.back == []
    assert units(unspent(CHARGES, None, 0)) == {("member:1", "cost_micro"): 7500}


def test_a_refund_gives_back_all_and_the_request_too(held, ledger):
    assert held.refund()

    assert ledger.back == [CHARGES]


def test_the_first_end_counts(held, ledger):
    assert held.settle(tokens=1500, cost_micro=0)

    assert not held.refund()
    assert not held.settle(tokens=0, cost_micro=0)
    assert [units(back) for back in ledger.back] == [{("member:1", "cost_micro"): 7500}]


def spend(held, *, fails):
    try:
        if fails:
            raise ConnectionError
        held.settle(tokens=1500, cost_micro=7500)
    finally:
        held.refund()


def test_a_refund_in_finally_undoes_only_what_nobody_settled(ledger):
    spend(Held(CHARGES, ledger.give_back), fails=False)
    assert ledger.back == []

    with pytest.raises(ConnectionError):
        spend(Held(CHARGES, ledger.give_back), fails=True)
    assert ledger.back == [CHARGES]


def test_a_ledger_that_is_away_ends_it_all_the_same():
    """Else a second try might give back what the first one did."""

    def fail(_):
        raise OSError("away")

    held = Held(CHARGES, fail)

    with pytest.raises(OSError, match="away"):
        held.refund()
    assert not held.refund()


def test_a_hold_is_of_one_at_least():
    assert hold_of(0, 0) == Hold(1, 1)
    assert hold_of(5, 0, anywhere=True) == Hold(5, 1, anywhere=True)
    assert (LOOK.of("tokens"), LOOK.of("cost_micro")) == (0, 0)
    assert (Hold(5, 7).of("tokens"), Hold(5, 7).of("cost_micro")) == (5, 7)
