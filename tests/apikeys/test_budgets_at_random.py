"""Holds, settlements and refunds in any order, by processes with leases and past them: nothing is
lost, nothing counted twice, and only what calls cost beyond their holds passes a limit (QTA-12).
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apikeys.gate.effects import Take, Taken
from apikeys.gate.holds import Held, Hold, hold_of
from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Charge
from apikeys.ledger import sql
from apikeys.ledger.keeper import Keeper, summed
from apikeys.ledger.purses import Purses
from apikeys.ledger.take import give_back_parameters, parameters, taken

pytestmark = pytest.mark.django_db
ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
METRICS = ("requests", "tokens", "cost_micro")


def fetch(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


class Stored:
    """Takes past the leases, as Django does and keys/verify for a hold."""

    def take(self, take: Take, _: "list[Process]") -> Taken:
        values = parameters(take, ZONE)
        while (found := taken(take, fetch(sql.TAKE, values), ZONE)) is None:
            fetch(sql.OPEN, values)
        return found

    def give_back(self, charges: tuple[Charge, ...]) -> None:
        fetch(sql.GIVE_BACK, give_back_parameters(summed(charges)))


class Process:
    """A gateway process's purses and keeper on the real statements; its clock is set by hand."""

    def __init__(self) -> None:
        self.purses = Purses(uuid4().hex, ZONE)
        self.keeper = Keeper("", self.purses)
        self.clock = 100.0

    def take(self, take: Take, others: "list[Process]") -> Taken:
        for last in (False, True):
            if (found := self.purses.take(take, self.clock)) is not None and not found.exceeded:
                return found
            order = self.purses.order(take)
            self.flush()
            while not (rows := fetch(sql.LEASE, order.parameters)):
                fetch(sql.OPEN, order.parameters)
            self.purses.answered(order, rows, self.clock)
            if not last:  # what others hold is called back
                for other in others:
                    other.come_home()
        return self.purses.take(take, self.clock) or self.purses.refuse(take)

    def give_back(self, charges: tuple[Charge, ...]) -> None:
        self.keeper.give_back(charges)
        self.flush()

    def flush(self) -> None:
        while self.purses.returning:
            fetch(sql.RETURN, self.purses.returns(10))
        if refunds := tuple(self.keeper.refunds):
            fetch(sql.GIVE_BACK, give_back_parameters(summed(refunds)))
            self.keeper.refunds.clear()

    def come_home(self) -> None:
        self.purses.give_up_all()
        self.flush()


class Game:
    """Every call that was admitted, with what it held and then what it cost."""

    def __init__(self, limits: tuple[int, int, int]) -> None:
        run = uuid4().hex
        self.quotas = (
            Quota(f"member:{run}", "requests", "month", 1000),
            Quota(f"member:{run}", "tokens", "day", limits[0]),
            Quota(f"key:{run}", "tokens", "month", limits[1]),
            Quota(f"member:{run}", "cost_micro", "lifetime", limits[2]),
        )
        self.doors = (Process(), Process(), Stored())
        self.open: list[tuple[int, tuple[Charge, ...], Hold]] = []
        self.ended: Counter[str] = Counter()  # units by metric
        self.beyond: Counter[str] = Counter()

    def hold(self, door: int, tokens: int, cost: int) -> None:
        hold = hold_of(tokens, cost)
        needs = tuple(1 if q.metric == "requests" else hold.of(q.metric) for q in self.quotas)
        processes = [one for one in self.doors if isinstance(one, Process)]
        if door == 2:
            for process in processes:
                process.come_home()
        at = self.doors[door]
        found = at.take(
            Take(self.quotas, needs, NOW), [one for one in processes if one is not at]
        )  # fmt: skip
        fits = all(
            self.counted(quota.metric) + need <= quota.limit
            for quota, need in zip(self.quotas, needs, strict=True)
        )
        assert (found.exceeded is None) == fits
        if fits:
            self.open.append((door, found.charges, hold))

    def counted(self, metric: str) -> int:
        if metric == "requests":
            return len(self.open) + self.ended["requests"]
        return sum(hold.of(metric) for *_, hold in self.open) + self.ended[metric]

    def end(self, place: int, ender: int, tokens: int | None, cost: int | None) -> None:
        """None for both: a refund. What was taken past the leases is ended by anybody."""
        if not self.open:
            return
        door, charges, hold = self.open.pop(place % len(self.open))
        held = Held(charges, self.doors[ender if door == 2 else door].give_back)
        if tokens is None and cost is None:
            assert held.refund()
            return
        assert held.settle(tokens, cost)
        assert not held.refund()
        self.ended["requests"] += 1
        for metric, actual in zip(METRICS[1:], (tokens, cost), strict=True):
            spent = hold.of(metric) if actual is None else actual
            self.ended[metric] += spent
            self.beyond[metric] += max(0, spent - hold.of(metric))

    def check(self) -> None:
        for quota in self.quotas:
            assert self.counted(quota.metric) <= quota.limit + self.beyond[quota.metric]

    def finish(self) -> None:
        for process in self.doors[:2]:
            assert isinstance(process, Process)
            process.come_home()
        assert fetch(sql.VERIFY, {}) == []
        for quota in self.quotas:
            rows = fetch(
                "SELECT used, leased FROM apikeys_counter WHERE subject = %(subject)s"
                " AND metric = %(metric)s",
                {"subject": quota.subject, "metric": quota.metric},
            )
            expected = [] if not rows and not self.counted(quota.metric) else [(
                self.counted(quota.metric), 0,
            )]  # fmt: skip
            assert rows == expected


UNITS = st.integers(0, 400)
HOLDS = st.tuples(st.just("hold"), st.integers(0, 2), UNITS, UNITS)
KNOWN = st.one_of(st.none(), UNITS)
ENDS = st.tuples(st.just("end"), st.integers(0, 20), st.integers(0, 2), KNOWN, KNOWN)
CALLS = st.tuples(st.just("come home"), st.integers(0, 1))
LIMITS = st.tuples(*[st.sampled_from((1, 300, 1000))] * 3)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(limits=LIMITS, moves=st.lists(st.one_of(HOLDS, HOLDS, ENDS, CALLS), max_size=25))
def test_what_is_counted_is_what_calls_cost(
    limits: tuple[int, int, int], moves: list[tuple[Any, ...]]
) -> None:
    game = Game(limits)

    for what, *values in moves:
        if what == "hold":
            game.hold(*values)
        elif what == "end":
            game.end(*values)
        else:
            process = game.doors[values[0]]
            assert isinstance(process, Process)
            process.come_home()
        game.check()

    game.finish()
