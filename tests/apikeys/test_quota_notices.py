"""80, 95 and 100 % of a limit on requests, tokens or cost are told once in a period."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail as django_mail
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from accounts.models import Status, User
from apikeys.gate.periods import EPOCH, period_at
from apikeys.models import ApiKey, Counter, Lease, LimitOverride, QuotaNotice, Tier
from apikeys.services import quotanotices
from apikeys.services.life import disable_key
from apikeys.tasks import notify_limits
from events import mail
from events.models import Event, Mail
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("middle_of_a_month")]

PER_MONTH = ("requests", "month")


@pytest.fixture
def alice() -> User:
    made = make.registered("alice", welcome=False).member
    Tier.objects.filter(slug=made.tier).update(requests_per_month=1000, requests_per_day=None)
    return made


def subject_of(row: User | ApiKey) -> str:
    return f"{'member' if isinstance(row, User) else 'key'}:{row.pk.hex}"


def uses(row: User | ApiKey, used: int, place: tuple[str, str] = PER_MONTH, **given: Any) -> int:
    """How many are told when it has used that much."""
    now: datetime = given.pop("now", timezone.now())
    start = period_at(place[1], now, ZoneInfo("UTC")).start
    values = {"used": used, "limit": 1000, **given}
    Counter.objects.update_or_create(
        subject=subject_of(row), metric=place[0], period=place[1], period_start=start,
        defaults=values,
    )  # fmt: skip
    return quotanotices.notify_limits(now, actor="test")


def told() -> list[str]:
    rows = Event.objects.filter(kind__startswith="limit:").order_by("id")
    return list(rows.values_list("kind", flat=True))


def letters() -> list[str]:
    return list(Mail.objects.order_by("id").values_list("template", flat=True))


def test_each_level_is_told_once_as_it_is_reached(alice: User) -> None:
    counts = [uses(alice, used) for used in (0, 799, 800, 801, 949, 950, 999, 1000, 1000, 1200)]

    assert counts == [0, 0, 1, 0, 0, 1, 0, 1, 0, 0]
    assert told() == ["limit:80", "limit:95", "limit:100"]
    assert letters() == ["limit_80", "limit_95", "limit_100"]


def test_an_event_says_the_numbers_and_a_letter_holds_ids_only(alice: User) -> None:
    uses(alice, 801)

    event, letter = Event.objects.get(kind="limit:80"), Mail.objects.get()
    start = period_at("month", timezone.now(), ZoneInfo("UTC")).start
    assert (event.subject, event.actor) == (subject_of(alice), "test")
    assert json.loads(str(event.details)) == {
        "metric": "requests", "period": "month", "used": 801, "limit": 1000,
    }  # fmt: skip
    assert letter.recipient == alice.email
    assert letter.context == {
        "member": alice.pk.hex, "subject": subject_of(alice),
        "places": [["requests", "month", start.isoformat()]],
    }  # fmt: skip


def test_who_crosses_several_at_once_gets_one_letter(alice: User) -> None:
    LimitOverride.objects.create(member=alice, name="tokens_lifetime", value=10)
    Counter.objects.create(
        subject=subject_of(alice), metric="tokens", period="lifetime", period_start=EPOCH,
        used=9, limit=10,
    )  # fmt: skip

    assert uses(alice, 990) == 1

    assert sorted(told()) == ["limit:80", "limit:80", "limit:95"]
    assert letters() == ["limit_95"]


def test_units_on_lease_are_not_used_until_they_are_spent(alice: User) -> None:
    uses(alice, 500, leased=400)
    counter = Counter.objects.get()
    lease = Lease.objects.create(process="p", counter=counter, granted=400, spent=50, seq=1)

    assert uses(alice, 1000, leased=400) == 0

    Lease.objects.filter(pk=lease.pk).update(spent=200)
    assert uses(alice, 1000, leased=400) == 1
    assert json.loads(str(Event.objects.get(kind="limit:80").details))["used"] == 800


def test_another_period_is_told_of_anew_and_an_old_one_never(alice: User) -> None:
    LimitOverride.objects.create(member=alice, name="requests_per_day", value=1000)
    now = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
    day = ("requests", "day")

    assert uses(alice, 900, day, now=now) == 1
    assert quotanotices.notify_limits(now + timedelta(hours=1), actor="test") == 0
    assert uses(alice, 900, day, now=now + timedelta(hours=1)) == 1
    assert letters() == ["limit_80"] * 2


def test_what_calls_give_back_is_no_news(alice: User) -> None:
    counts = [uses(alice, used) for used in (850, 700, 850, 0, 960, 700, 1000, 10, 1000)]

    assert counts == [1, 0, 0, 0, 1, 0, 1, 0, 0]
    assert letters() == ["limit_80", "limit_95", "limit_100"]


def test_what_counts_is_the_limit_of_now(alice: User) -> None:
    Tier.objects.filter(slug=alice.tier).update(requests_per_month=100_000)
    assert uses(alice, 990) == 0  # the counter's own limit is that of its last request

    LimitOverride.objects.create(member=alice, name="requests_per_month", value=None)
    assert uses(alice, 990) == 0

    LimitOverride.objects.update(value=1000)
    assert uses(alice, 990) == 1


def test_a_level_is_told_again_after_the_limit_was_raised(alice: User) -> None:
    def raised(limit: int, used: int) -> int:
        Tier.objects.filter(slug=alice.tier).update(requests_per_month=limit)
        return uses(alice, used, limit=limit)

    assert [raised(1000, 850), raised(1050, 850), raised(1100, 880)] == [1, 0, 0]
    assert [raised(2000, 850), raised(2000, 1600)] == [0, 1]
    assert letters() == ["limit_80"] * 2


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.PENDING, Status.DELETED])
def test_only_active_members_are_told_and_others_once_they_are_active_again(
    status: Status, alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(status=status)
    assert uses(alice, 900) == 0
    assert (told(), letters(), QuotaNotice.objects.count()) == ([], [], 0)

    User.objects.filter(pk=alice.pk).update(status=Status.ACTIVE)

    assert uses(alice, 900) == 1


def test_a_keys_own_limit_is_its_owners_matter(alice: User) -> None:
    key = make.key(alice, name="laptop").key
    LimitOverride.objects.create(key=key, name="cost_micro_per_day", value=1000)
    place = ("cost_micro", "day")
    disable_key(key, actor="test")
    assert uses(key, 960, place) == 0

    ApiKey.objects.filter(pk=key.pk).update(disabled_at=None)
    assert uses(key, 960, place) == 1

    assert set(Event.objects.filter(kind__startswith="limit:").values_list("subject")) == {
        (subject_of(key),)
    }
    mail.send_due(timezone.now())
    assert 'your API key "laptop"' in django_mail.outbox[0].body


def test_of_a_services_key_without_an_owner_there_is_the_event_alone(alice: User) -> None:
    key = make.service_key().key
    LimitOverride.objects.create(key=key, name="requests_per_month", value=1000)

    assert uses(key, 801) == 1
    assert (told(), letters()) == (["limit:80"], [])


def test_the_largest_numbers_are_numbers(alice: User) -> None:
    largest = 2**63 - 1
    Tier.objects.filter(slug=alice.tier).update(requests_per_month=largest)

    assert uses(alice, largest // 2, limit=largest) == 0
    assert uses(alice, largest, limit=largest) == 1


def test_a_quiet_hour_reads_no_counter_by_itself(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        uses(make.registered(f"m{number}", welcome=False).member, 1000)

    with django_assert_num_queries(5):
        assert quotanotices.notify_limits(timezone.now(), actor="test") == 0


def test_every_batch_is_gone_through_and_the_past_forgotten(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotanotices, "BATCH", 2)
    start = period_at("month", timezone.now(), ZoneInfo("UTC")).start
    for number in range(5):
        member = make.registered(f"m{number}", welcome=False).member
        Counter.objects.create(subject=subject_of(member), metric="requests", period="month",
                               period_start=start, used=900, limit=1000)  # fmt: skip

    assert quotanotices.notify_limits(timezone.now(), actor="test") == 5
    assert QuotaNotice.objects.count() == 5
    quotanotices.notify_limits(timezone.now() + timedelta(days=100), actor="test")
    assert QuotaNotice.objects.count() == 0


def test_the_task_and_the_command_do_the_same(alice: User) -> None:
    out = StringIO()
    bob = make.registered("bob", welcome=False).member
    Counter.objects.bulk_create(
        Counter(subject=subject_of(alice), metric="requests", period="month", used=used, limit=1000,
                period_start=period_at("month", timezone.now(), ZoneInfo("UTC")).start)
        for used in (900,)
    )  # fmt: skip
    notify_limits()
    Counter.objects.update(subject=subject_of(bob))
    call_command("quota_notices", stdout=out)

    assert out.getvalue() == "Told of the limits of 1 members and keys.\n"
    actors = Event.objects.filter(kind__startswith="limit:").order_by("id")
    assert list(actors.values_list("actor", flat=True)) == ["schedule", "command"]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_four_at_once_tell_each_crossing_once() -> None:
    now = timezone.now()
    start = period_at("month", now, ZoneInfo("UTC")).start
    for number in range(10):
        member = make.registered(f"m{number}", welcome=False).member
        LimitOverride.objects.create(member=member, name="requests_per_month", value=1000)
        Counter.objects.create(subject=subject_of(member), metric="requests", period="month",
                               period_start=start, used=970, limit=1000)  # fmt: skip
    begin = threading.Barrier(4)

    def run(_: int) -> int:
        try:
            begin.wait(30)
            return quotanotices.notify_limits(now, actor="test")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(run, range(4)))

    assert sum(counts) == 10
    assert (len(told()), letters()) == (20, ["limit_95"] * 10)


def test_the_letter_says_numbers_and_ends_on_the_clock_of_the_quotas(
    alice: User, settings: Any
) -> None:
    settings.QUOTA_TIMEZONE = "Asia/Taipei"
    zone = ZoneInfo("Asia/Taipei")
    period = period_at("month", timezone.now(), zone)
    Counter.objects.create(subject=subject_of(alice), metric="requests", period="month",
                           period_start=period.start, used=900, limit=1000)  # fmt: skip
    assert period.end is not None

    for locale in ("en_US", "zh_TW"):
        User.objects.update(locale=locale)
        QuotaNotice.objects.all().delete()
        quotanotices.notify_limits(timezone.now(), actor="test")
        mail.send_due(timezone.now())
        letter = django_mail.outbox[-1]
        for body in (letter.body, str(letter.alternatives[0].content)):
            for word in ("90 %", "1,000", f"{period.end:%Y-%m-%d} 00:00", "Asia/Taipei"):
                assert word in body
    assert [letter.subject for letter in django_mail.outbox] == [
        "A limit is filling up", "您的額度即將不足",
    ]  # fmt: skip


def test_a_letter_of_a_period_that_is_over_is_withheld(alice: User) -> None:
    uses(alice, 900)
    Counter.objects.update(period_start=EPOCH + timedelta(days=1))

    mail.send_due(timezone.now())

    assert Mail.objects.get().withheld_at is not None
