"""Retention of counters: what ended long ago goes, and nothing that is counted or held."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from apikeys.models import Counter, Lease
from apikeys.usage import old_counters
from apikeys.usage.old_counters import purge_counters
from tests.apikeys.logs import day

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def counter(period: str, start: datetime, leased: int = 0, subject: str = "member:a") -> Counter:
    return Counter.objects.create(
        subject=subject, metric="requests", period=period, period_start=start, used=5,
        leased=leased, limit=10,
    )  # fmt: skip


def left() -> set[int]:
    return set(Counter.objects.values_list("pk", flat=True))


@pytest.mark.django_db
def test_days_go_after_400_days_and_months_after_25_months():
    midnight = NOW.replace(hour=0)
    gone = counter("day", midnight - timedelta(days=401))
    month = counter("month", datetime(2024, 9, 1, tzinfo=UTC))
    stay = {
        counter("day", midnight - timedelta(days=400)).pk,
        counter("day", midnight).pk,
        counter("month", datetime(2024, 10, 1, tzinfo=UTC)).pk,
        counter("month", datetime(2026, 11, 1, tzinfo=UTC)).pk,
        counter("lifetime", EPOCH).pk,
    }
    assert left() == stay | {gone.pk, month.pk}

    assert purge_counters(NOW) == 2

    assert left() == stay
    assert purge_counters(NOW) == 0


@pytest.mark.django_db
def test_what_is_on_lease_stays():
    old = NOW - timedelta(days=1000)
    leased, empty = counter("day", old, 3), counter("day", old, subject="member:b")
    Lease.objects.create(process="p", counter=leased, granted=3, seq=1)
    Lease.objects.create(process="p", counter=empty, granted=0, seq=1)

    assert purge_counters(NOW) == 0

    assert left() == {leased.pk, empty.pk}


@pytest.mark.django_db
def test_they_go_in_batches(monkeypatch):
    monkeypatch.setattr(old_counters, "BATCH", 2)
    for number in range(5):
        counter("day", NOW - timedelta(days=500 + number))

    assert purge_counters(NOW) == 5


@pytest.mark.usefixtures("own_rows")
def test_the_request_logs_purge_takes_them_along():
    old = counter("day", day(2000))
    recent = counter("day", day(10))

    call_command("purge_request_logs")

    assert not Counter.objects.filter(pk=old.pk).exists()
    recent.delete()
