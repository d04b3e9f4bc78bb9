"""What a process holds and spends, on the real statements: leases, recall, lost answers."""

from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import connection

from apikeys.gate.effects import Take, Taken
from apikeys.gate.snapshot import Quota
from apikeys.ledger import sql
from apikeys.ledger.purses import Order, Purses

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class Process:
    """A gateway process's half of the ledger, with a clock that is set by hand."""

    def __init__(self, name: str) -> None:
        self.purses = Purses(f"{name}-{uuid4().hex}", ZoneInfo("UTC"))
        self.clock = 100.0

    def take(self, *quotas: Quota, units: int = 1, now: datetime = NOW) -> Taken:
        take = Take(quotas, (units,) * len(quotas), now)
        while True:
            if (taken := self.purses.take(take, self.clock)) is not None:
                return taken
            if not self.ask(self.purses.order(take)):
                return self.purses.take(take, self.clock) or self.purses.refuse(take)

    def ask(self, order: Order) -> bool:
        self.flush()
        return self.purses.answered(order, self.send(order), self.clock)

    def send(self, order: Order) -> list[tuple[object, ...]]:
        while not (rows := fetch(sql.LEASE, order.parameters)):
            execute(sql.OPEN, order.parameters)
        return rows

    def flush(self) -> None:
        while self.purses.returning:
            execute(sql.RETURN, self.purses.returns(10))

    def rest(self, seconds: float) -> None:
        self.clock += seconds
        self.purses.give_up_idle(self.clock)
        self.flush()

    def recalled(self) -> None:
        self.purses.give_up_all()
        self.flush()


def fetch(statement: str, parameters: dict[str, object]) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[object, ...]] = cursor.fetchall()
    return rows


def execute(statement: str, parameters: dict[str, object]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def quota(limit: int, period: str = "month") -> Quota:
    return Quota(f"member:{uuid4().hex}", "requests", period, limit)


def books(of: Quota) -> tuple[int, int]:
    """(used, leased), and nothing is wrong in any book."""
    assert fetch(sql.VERIFY, {}) == []
    rows = fetch(
        "SELECT sum(used), sum(leased) FROM apikeys_counter WHERE subject = %(subject)s",
        {"subject": of.subject},
    )
    return int(str(rows[0][0])), int(str(rows[0][1]))


@pytest.fixture
def one() -> Process:
    return Process("one")


@pytest.fixture
def two() -> Process:
    return Process("two")


def test_one_asking_is_enough_for_an_eighth_of_what_is_left(one: Process) -> None:
    month = quota(1000)

    assert one.take(month).limits[0].remaining == 999
    assert books(month) == (125, 125)
    for _ in range(124):
        one.take(month)
    assert one.purses.seq == 1  # nobody was asked again
    assert books(month) == (125, 125)
    one.rest(1.1)
    assert books(month) == (125, 0)


def test_no_first_lease_is_larger_than_256(one: Process) -> None:
    month = quota(10**9)

    one.take(month)

    assert books(month) == (256, 256)


def test_a_quarter_before_the_end_it_is_to_be_filled_up(one: Process) -> None:
    month = quota(10**9)
    for _ in range(192):
        one.take(month)
    assert one.purses.low == []

    one.take(month)

    assert len(one.purses.low) == 1
    one.take(month)
    assert len(one.purses.low) == 1
    one.ask(one.purses.order(one.purses.low.pop()))
    assert books(month) == (194 + 256, 256)


def test_all_of_a_requests_counters_or_none(one: Process) -> None:
    large, small = quota(100), quota(3, "day")

    found = [one.take(large, small) for _ in range(4)]

    assert [taken.exceeded is None for taken in found] == [True, True, True, False]
    assert found[3].exceeded is not None
    assert found[3].exceeded.name == "daily"
    assert found[3].charges == ()
    one.rest(1.1)
    assert books(large) == (3, 0)
    assert books(small) == (3, 0)


def test_two_processes_take_exactly_the_limit(one: Process, two: Process) -> None:
    month = quota(20)
    admitted = 0
    for _ in range(15):
        for mine, other in ((one, two), (two, one)):
            taken = mine.take(month)
            if taken.exceeded is not None:
                other.recalled()  # what a NOTIFY does
                mine.clock += 0.06
                taken = mine.take(month)
            admitted += taken.exceeded is None

    assert admitted == 20
    one.recalled()
    two.recalled()
    assert books(month) == (20, 0)


def test_an_answer_that_was_lost_is_told_again(one: Process) -> None:
    month = quota(1000)
    order = one.purses.order(Take((month,), (1,), NOW))
    one.send(order)  # committed, but nobody heard of it

    one.purses.answered(order, one.send(order), one.clock)

    assert one.purses.purses[month[:3]].left == 125
    assert books(month) == (125, 125)


def test_a_return_whose_answer_was_lost_gives_back_once(one: Process) -> None:
    month = quota(1000)
    one.take(month)
    one.purses.give_up_all()
    back = one.purses.returns(10)

    execute(sql.RETURN, back)
    execute(sql.RETURN, back)

    assert books(month) == (1, 0)


def test_a_dead_process_loses_what_it_had_on_lease_and_no_more(one: Process, two: Process) -> None:
    month = quota(80)
    one.take(month)  # 10 on lease

    execute(sql.REAP, {})

    assert books(month) == (10, 0)
    admitted = sum(two.take(month).exceeded is None for _ in range(80))
    assert admitted == 70


def test_who_was_only_thought_dead_still_has_what_it_holds(one: Process) -> None:
    month = quota(80)
    one.take(month)
    execute(sql.REAP, {})

    admitted = 1 + sum(one.take(month).exceeded is None for _ in range(100))

    assert admitted == 80
    one.rest(1.1)
    assert books(month) == (80, 0)


def test_a_lowered_limit_binds_what_is_held(one: Process) -> None:
    month = quota(1000)
    for _ in range(10):
        one.take(month)

    lowered = month._replace(limit=12)
    found = [one.take(lowered).exceeded is None for _ in range(4)]

    assert found == [True, True, False, False]
    assert books(month)[0] == 12


def test_a_raised_limit_counts_at_once(one: Process) -> None:
    month = quota(2)
    assert [one.take(month).exceeded is None for _ in range(3)] == [True, True, False]

    assert one.take(month._replace(limit=3)).exceeded is None


def test_a_new_month_is_a_new_counter_and_the_old_ones_units_go_back(one: Process) -> None:
    month = quota(16)
    one.take(month)

    one.take(month, now=LATER)
    one.flush()

    rows = fetch(
        "SELECT used, leased FROM apikeys_counter WHERE subject = %(subject)s"
        " ORDER BY period_start",
        {"subject": month.subject},
    )
    assert rows == [(1, 0), (2, 2)]


def test_units_given_back_can_be_spent_again(one: Process) -> None:
    month = quota(2)
    first, _ = one.take(month), one.take(month)
    assert one.take(month).exceeded is not None

    assert one.purses.refund(first.charges[0])

    assert one.take(month).exceeded is None
    one.rest(1.1)
    assert books(month) == (2, 0)


def test_what_a_call_cost_beyond_its_hold_passes_the_limit(one: Process) -> None:
    month = quota(10)
    (charge,) = one.take(month, units=4).charges

    assert one.purses.refund(charge._replace(units=-20))
    one.flush()

    assert books(month) == (24, 0)
    assert one.take(month).exceeded is not None


def test_a_look_takes_nothing(one: Process) -> None:
    month = quota(10)

    assert one.take(month, units=0).limits[0].remaining == 10
    assert books(month) == (0, 0)


def test_books_that_are_wrong_are_found(one: Process) -> None:
    month = quota(1000)
    one.take(month)
    execute("UPDATE apikeys_lease SET granted = granted + 1", {})

    with pytest.raises(AssertionError):
        books(month)


def test_the_database_itself_refuses_a_lease_beyond_what_was_taken(one: Process) -> None:
    one.take(quota(8))

    with pytest.raises(psycopg.errors.CheckViolation), connection.cursor() as cursor:
        cursor.connection.execute("UPDATE apikeys_counter SET leased = used + 1")
