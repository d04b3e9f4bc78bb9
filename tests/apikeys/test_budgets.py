"""Check 9: a hold takes requests and budgets at once; without one no budget is touched. Pure."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from apikeys.gate.effects import Take, Taken, TakeStored
from apikeys.gate.holds import LOOK, hold_of
from apikeys.gate.limits import NOTHING, spend
from apikeys.gate.request import GateRequest, shown_of, weight_of
from apikeys.gate.snapshot import KeySnapshot, Quota
from apikeys.gate.verdict import Charge, Limit

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
END = NOW + timedelta(hours=12)
MONTH = Quota("member:1", "requests", "month", 10)
TOKENS = Quota("member:1", "tokens", "day", 1000)
COST = Quota("key:2", "cost_micro", "lifetime", 5000)


def key(quotas=(MONTH,), budgets=(TOKENS, COST)):
    return KeySnapshot(
        uuid.UUID(int=2), "user", (), "", frozenset(), None, None, None, None, None, None, "",
        tuple(quotas), (), (), NOW, budgets=tuple(budgets),
    )  # fmt: skip


def request(hold=None, **given):
    return GateRequest((), method="POST", path="/", client="", hold=hold, **given)


def run(asked, of=None, *, left=(9, 700, 4000), refuses=None):
    """(what was asked of the ledger, what came of it)."""
    spending = spend(asked, of or key())
    try:
        effect = next(spending)
    except StopIteration as stop:
        return None, stop.value
    names = ("monthly", "tokens-daily", "key-cost-lifetime")
    resets = (END, END, None)
    found = [
        Limit(name, quota.metric, quota.limit, rest, reset, 0)
        for name, quota, rest, reset in zip(names, effect.quotas, left, resets, strict=False)
    ]
    charges = tuple(
        Charge(*quota[:3], NOW, need)
        for quota, need in zip(effect.quotas, effect.needs, strict=True)
        if need
    )
    short = None if refuses is None else found[refuses]
    taken = Taken(() if short else charges, tuple(found), short)
    with pytest.raises(StopIteration) as ended:
        spending.send(taken)
    return effect, ended.value.value


def test_a_call_without_a_hold_touches_no_budget():
    effect, spent = run(request())

    assert effect == Take((MONTH,), (1,), NOW)
    assert len(spent.limits) == 1
    assert run(request(), key(quotas=())) == (None, NOTHING)


def test_a_hold_is_taken_with_the_request_all_at_once():
    effect, spent = run(request(hold_of(300, 900), weight=2))

    assert effect == Take((MONTH, TOKENS, COST), (2, 300, 900), NOW)
    assert type(effect) is Take
    assert [charge.units for charge in spent.charges] == [2, 300, 900]


def test_a_hold_that_any_process_may_end_is_no_part_of_a_lease():
    effect, _ = run(request(hold_of(300, 900, anywhere=True)))

    assert type(effect) is TakeStored
    assert run(request(hold_of(3, 9, anywhere=True)), key((), (TOKENS,)))[0].needs == (3,)


def test_a_refusal_names_the_budget_what_is_left_and_the_reset():
    _, spent = run(request(hold_of(701, 1)), refuses=1)

    assert spent.charges == ()
    assert spent.refusal.code == "quota_exceeded"
    assert spent.refusal.detail == (
        "The tokens-daily quota of 1000 tokens has 700 left and this call holds 701; "
        f"it resets at {END.isoformat()}."
    )
    assert spent.refusal.extra == {"violated-policies": ["tokens-daily"], "retry_after": 43201}


def test_a_budget_without_an_end_is_said_to_have_none():
    _, spent = run(request(hold_of(1, 4001)), refuses=2)

    assert spent.refusal.detail == (
        "The key-cost-lifetime quota of 5000 millionths of cost has 4000 left and this call holds "
        "4001; it does not reset."
    )
    assert "retry_after" not in spent.refusal.extra


def test_a_dry_run_takes_nothing_and_says_what_would_be_refused():
    effect, fits = run(request(hold_of(700, 4000, anywhere=True), dry_run=True))
    _, refused = run(request(hold_of(701, 4000, anywhere=True), dry_run=True))

    assert effect == Take((MONTH, TOKENS, COST), (0, 0, 0), NOW)
    assert fits.refusal is None
    assert refused.refusal.extra["violated-policies"] == ["tokens-daily"]


def test_a_used_up_budget_refuses_also_who_holds_nothing_that_is_known():
    """What costs nobody estimated would pass a used-up budget for ever else."""
    assert run(request(hold_of(0, 0)))[0].needs == (1, 1, 1)


def test_where_budgets_are_shown_nothing_is_taken_of_them():
    assert shown_of("/api/v1/me") is LOOK
    assert [shown_of(path) for path in ("/api/v1/me/keys", "/api/v1/jobs", "/")] == [None] * 3
    effect, _ = run(request(LOOK, weight=0))
    assert effect == Take((MONTH, TOKENS, COST), (0, 0, 0), NOW)
    assert type(effect) is Take


def test_settling_is_free_like_verifying():
    assert [weight_of(f"/api/v1/keys/{name}") for name in ("verify", "settle", "x")] == [0, 0, 1]
