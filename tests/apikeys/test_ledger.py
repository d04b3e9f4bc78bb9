"""Counters under concurrency: QTA-01 for the statement that both doors send."""

import threading
import uuid
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from apikeys.gate.effects import Take
from apikeys.gate.snapshot import Quota
from apikeys.models import Counter
from apikeys.services import gate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def month(subject: str, limit: int) -> Quota:
    return Quota(subject, "requests", "month", limit)


def take(*quotas: Quota, units: int = 1):
    return gate.take_units(Take(quotas, (units,) * len(quotas), NOW), gate.policy())


def used(subject: str) -> int:
    return sum(Counter.objects.filter(subject=subject).values_list("used", flat=True))


def subject() -> str:
    return f"member:{uuid.uuid4().hex}"


@pytest.mark.django_db
def test_units_are_counted_and_what_is_left_is_told():
    alice = subject()

    taken = take(month(alice, 10), units=3)

    assert (used(alice), taken.limits[0].remaining, taken.exceeded) == (3, 7, None)
    assert taken.limits[0].reset_at == datetime(2026, 12, 1, tzinfo=ZoneInfo("UTC"))


@pytest.mark.django_db
def test_the_last_unit_passes_and_the_next_does_not():
    alice = subject()
    take(month(alice, 2))

    last, over = take(month(alice, 2)), take(month(alice, 2))

    assert (last.exceeded, over.exceeded is not None, used(alice)) == (None, True, 2)


@pytest.mark.django_db
def test_two_limits_are_taken_together_or_not_at_all():
    wide, narrow = subject(), subject()
    take(month(wide, 10), month(narrow, 1))

    over = take(month(wide, 10), month(narrow, 1))

    assert over.exceeded is not None
    assert (used(wide), used(narrow)) == (1, 1)


@pytest.mark.django_db
def test_asking_for_nothing_reads_what_is_left_even_past_the_limit():
    alice = subject()
    take(month(alice, 5), units=5)

    taken = take(month(alice, 3), units=0)

    assert (taken.exceeded, taken.limits[0].remaining, taken.charges) == (None, 0, ())


@pytest.mark.django_db
def test_units_given_back_can_be_taken_again_once():
    alice = subject()
    taken = take(month(alice, 1))

    gate.give_back(taken.charges)

    assert used(alice) == 0
    gate.give_back(taken.charges)
    assert used(alice) == 0
    assert take(month(alice, 1)).exceeded is None


@pytest.mark.django_db
def test_a_new_month_starts_at_nothing():
    alice = subject()
    take(month(alice, 1))

    later = gate.take_units(
        Take((month(alice, 1),), (1,), datetime(2026, 12, 1, tzinfo=UTC)), gate.policy()
    )

    assert later.exceeded is None


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_exactly_the_limit_is_admitted_among_threads():
    limit, threads, each = 40, 8, 10
    alice, key = subject(), subject()
    admitted = []

    def run() -> None:
        try:
            for _ in range(each):
                taken = take(month(alice, limit), month(key, 1000))
                admitted.append(taken.exceeded is None)
        finally:
            connection.close()

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert (sum(admitted), len(admitted)) == (limit, threads * each)
    assert (used(alice), used(key)) == (limit, limit)
