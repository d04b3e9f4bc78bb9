"""Checks 8 and 9: bursts and concurrency, then quota. A refused request costs nothing. Pure."""

from collections.abc import Generator
from datetime import datetime
from typing import Any, Final, NamedTuple

from apikeys.gate.checks import Refusal
from apikeys.gate.effects import Effect, Enter, Entered, Leave, Take, Taken, TakeStored
from apikeys.gate.headers import seconds_until
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.verdict import Charge, Entry, Limit
from apikeys.gate.windows import returned

CONCURRENCY_SECONDS: Final = 1  # after which a slot may be free: nobody knows
NOUNS: Final = {
    "requests": "requests", "tokens": "tokens", "cost_micro": "millionths of cost",
}  # fmt: skip


class Spent(NamedTuple):
    """What the limits said; with a refusal nothing is taken any more."""

    refusal: Refusal | None
    limits: tuple[Limit, ...]
    charges: tuple[Charge, ...] = ()
    entry: Entry | None = None


NOTHING: Final = Spent(None, ())
Spending = Generator[Effect, Any, Spent]


def spend(request: GateRequest, key: KeySnapshot) -> Spending:
    """Raises what the door does, with nothing taken."""
    counts = key.quotas or (key.budgets and request.hold is not None)
    if not key.windows:
        return (yield from spend_quota(request, key)) if counts else NOTHING
    entered: Entered = yield Enter(
        key.windows, request.burst, key.now, request.dry_run, request.holds
    )
    if entered.exceeded:
        return Spent(rate_limited(entered.exceeded, key.now), entered.limits)
    if not counts:
        return Spent(None, entered.limits, (), entered.entry)
    try:
        spent = yield from spend_quota(request, key)
    except Exception:
        yield from leave(entered.entry)
        raise
    if spent.refusal is None:
        return Spent(None, entered.limits + spent.limits, spent.charges, entered.entry)
    yield from leave(entered.entry)
    return Spent(spent.refusal, returned(entered.limits, entered.entry) + spent.limits)


def leave(entry: Entry | None) -> Generator[Effect, Any, None]:
    if entry is not None:
        yield Leave(entry)


def spend_quota(request: GateRequest, key: KeySnapshot) -> Spending:
    """Requests and budgets in one taking, so that a refusal of either costs nothing of both."""
    quotas, needs = key.quotas, (request.weight,) * len(key.quotas)
    kind: type[Take | TakeStored] = Take
    if (hold := request.hold) is not None:
        wider = quotas + key.budgets
        more = needs + tuple([hold.of(budget.metric) for budget in key.budgets])
        if hold.taken:
            quotas, needs = wider, more
            kind = TakeStored if hold.anywhere and not request.dry_run else Take
        elif key.budgets:
            left: Taken = yield Take(wider, (0,) * len(more), key.now)
            if (short := would_exceed(left.limits, more)) is not None:
                return Spent(quota_exceeded(short, 0, key.now), left.limits)
    if not quotas:
        return NOTHING
    taken: Taken = yield kind(quotas, (0,) * len(needs) if request.dry_run else needs, key.now)
    short = taken.exceeded or (would_exceed(taken.limits, needs) if request.dry_run else None)
    if short is not None:
        need = needs[[limit.name for limit in taken.limits].index(short.name)]
        return Spent(quota_exceeded(short, need, key.now), taken.limits)
    return Spent(None, taken.limits, taken.charges)


def would_exceed(limits: tuple[Limit, ...], needs: tuple[int, ...]) -> Limit | None:
    """Where nothing was taken: the limit that would refuse and resets last."""
    pairs = zip(limits, needs, strict=True)
    short = [limit for limit, need in pairs if limit.remaining < need]
    return max(short, key=lambda limit: limit.resets, default=None)


def quota_exceeded(limit: Limit, need: int, now: datetime) -> Refusal:
    extra: dict[str, Any] = {"violated-policies": [limit.name]}
    used = f"The {limit.name} quota of {limit.limit} {NOUNS[limit.unit]} "
    used += (
        "is used up"
        if limit.unit == "requests" or not need  # it holds nothing
        else f"has {limit.remaining} left and this call holds {need}"
    )
    if limit.reset_at is None:
        return Refusal("quota_exceeded", f"{used}; it does not reset.", extra)
    extra["retry_after"] = seconds_until(limit.reset_at, now)
    return Refusal("quota_exceeded", f"{used}; it resets at {limit.reset_at.isoformat()}.", extra)


def rate_limited(short: tuple[Limit, ...], now: datetime) -> Refusal:
    """Retry-After is the end of the window that ends last."""
    waits = [(wait_for(limit, now), limit) for limit in short]
    seconds, limit = max(waits, key=lambda wait: wait[0])
    window = f"per {limit.name.removeprefix('key-')}" if limit.window_seconds else "at a time"
    owner = "key" if limit.name.startswith("key-") else "member"
    return Refusal(
        "rate_limited",
        f"This {owner} may make {limit.limit} requests {window}; try again in {seconds} s.",
        {"retry_after": seconds, "violated-policies": [limit.name for limit in short]},
    )


def wait_for(limit: Limit, now: datetime) -> int:
    if limit.reset_at is None:
        return CONCURRENCY_SECONDS
    return seconds_until(limit.reset_at, now)
