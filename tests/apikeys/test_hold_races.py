"""Two at once on one hold: one settles it, both are told the same."""

from collections import Counter as Number

import pytest

from apikeys.models import Counter
from tests import make
from tests.apikeys.calls import client
from tests.apikeys.test_key_races import at_once
from tests.apikeys.test_rest_budgets import SETTLE, VERIFY

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.mark.parametrize("attempt", range(3))
def test_of_several_at_once_one_settles(attempt):
    make.tier("budget", tokens_per_day=1000)
    key = make.key(make.member(tier="budget")).secret
    caller = make.service_key("validator").secret
    hold = client(caller).post(VERIFY, {"key": key, "tokens": 800}).json()["hold"]

    def settle(tokens):
        return lambda: client(caller).post(SETTLE, {"hold": hold, "tokens": tokens}).json()

    answers = at_once(*[settle(tokens) for tokens in (100, 200, 300, 400)])

    told = Number(answer["tokens"] for answer in answers)
    assert list(told.values()) == [4]
    assert list(Counter.objects.values_list("used", flat=True)) == list(told)


@pytest.mark.parametrize("attempt", range(3))
def test_a_budget_is_held_to_the_last_unit_by_many_at_once(attempt):
    make.tier("budget", tokens_per_day=1000, cost_micro_lifetime=10**6)
    key = make.key(make.member(tier="budget")).secret
    caller = make.service_key("validator").secret

    def verify():
        return client(caller).post(VERIFY, {"key": key, "tokens": 250}).json()["valid"]

    assert sorted(at_once(*[verify] * 6)) == [False] * 2 + [True] * 4
    assert Counter.objects.get(metric="tokens").used == 1000
