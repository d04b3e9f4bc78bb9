"""Owners are told 30, 14, 7 and 1 days before a key ends, each once, and nobody for nothing."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from uuid import UUID

import pytest
from django.core import mail as django_mail
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from accounts.models import Status, User
from apikeys.models import ApiKey, ExpiryReminder
from apikeys.services import reminders
from apikeys.services.keys import revoke_key
from apikeys.services.life import disable_key, enable_key, quarantine_key
from apikeys.services.makers import system
from apikeys.services.rotate import rotate_key
from apikeys.tasks import remind_of_expiry
from events import mail
from events.models import Event, Mail
from events.payloads import plain
from momentry import schedule
from tests import make

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def ending(days: float, *, age: float = 100, **given: object) -> ApiKey:
    """A key of alice's that ends in so many days and is ``age`` days old."""
    owner = User.objects.filter(username="alice").first()
    key = make.key(owner or make.registered("alice", welcome=False).member).key
    now = timezone.now()
    values = {"created_at": now - age * DAY, "expires_at": now + days * DAY, **given}
    ApiKey.objects.filter(pk=key.pk).update(**values)
    key.refresh_from_db()
    return key


def said() -> list[int]:
    events = Event.objects.filter(kind="apikey:expiring").order_by("id")
    return [json.loads(str(event.details))["days"] for event in events]


def reminders_sent() -> int:
    return Mail.objects.filter(template="key_expiring").count()


def test_each_threshold_is_told_once_as_it_comes_near(now: datetime) -> None:
    ending(40)
    told = [
        reminders.remind_of_expiry(now + days * DAY, actor="test")
        for days in (0, 9, 10.1, 11, 25.9, 26.1, 27, 33.1, 34, 39.1, 39.5, 40.1, 41)
    ]

    assert told == [0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0]
    assert said() == [30, 14, 7, 1]
    assert reminders_sent() == 4


def test_with_the_times_of_the_schedule_each_letter_comes_within_an_hour_of_its_own(
    now: datetime,
) -> None:
    """However the key's end and the runs meet."""
    plan = schedule.BEAT["expiry-reminders"]["schedule"]
    midnight = datetime(2027, 3, 1, tzinfo=UTC)
    runs = [
        midnight + timedelta(days=day, hours=hour, minutes=minute)
        for day in range(33) for hour in sorted(plan.hour) for minute in sorted(plan.minute)
    ]  # fmt: skip
    ends = [
        midnight + 32 * DAY + timedelta(hours=9, seconds=each) for each in (30, 2399, 2400, 2401)
    ]
    keys = {ending(1, expires_at=end, created_at=now - 100 * DAY).pk: end for end in ends}
    left: dict[tuple[UUID, int], timedelta] = {}
    for at in runs:
        reminders.remind_of_expiry(at, actor="test")
        for row in ExpiryReminder.objects.all():
            left.setdefault((row.key_id, row.days), keys[row.key_id] - at)

    assert len(left) == len(ends) * len(reminders.DAYS)
    for (_, days), time in left.items():
        assert timedelta(days=days, hours=-1) < time <= timedelta(days=days)


def test_an_event_says_when_and_a_letter_holds_ids_only(now: datetime) -> None:
    key = ending(6)

    assert reminders.remind_of_expiry(now, actor="test") == 1

    event, letter = Event.objects.get(kind="apikey:expiring"), Mail.objects.get()
    assert (event.subject, event.actor) == (f"key:{key.pk.hex}", "test")
    assert json.loads(str(event.details)) == {"days": 7, "expires_at": plain(key.expires_at)}
    assert letter.recipient == "alice@example.org"
    assert letter.context == {"key": key.pk.hex, "member": User.objects.get().pk.hex}


@pytest.mark.parametrize(
    ("age", "days", "expected"),
    [(0, 14, 0), (0, 6, 0), (1.5, 5, 0), (9, 5, 1), (2, 0.99, 1), (0.2, 0.9, 1), (0, 0.9, 0)],
)
def test_a_threshold_as_long_as_the_whole_life_is_none(
    age: float, days: float, expected: int, now: datetime
) -> None:
    ending(days, age=age)

    assert reminders.remind_of_expiry(now, actor="test") == expected


Change = Callable[[ApiKey], object]


def becomes(status: Status, key: ApiKey) -> None:
    User.objects.filter(api_keys=key).update(status=status)


STOPPED: dict[str, Change] = {
    "disabled": lambda key: disable_key(key, actor="test"),
    "revoked": lambda key: revoke_key(key, actor="test"),
    "quarantined": lambda key: quarantine_key(key, actor="test"),
    "unclaimed": lambda key: ApiKey.objects.filter(pk=key.pk).update(digest=None),
    "without an end": lambda key: ApiKey.objects.filter(pk=key.pk).update(expires_at=None),
    "purged": lambda key: ApiKey.objects.filter(pk=key.pk).update(purged_at=timezone.now()),
    **{
        status: partial(becomes, status)
        for status in (Status.PENDING, Status.SUSPENDED, Status.DELETED)
    },
}


@pytest.mark.parametrize("state", STOPPED)
def test_nobody_is_told_of_a_key_that_is_of_no_use(state: str, now: datetime) -> None:
    STOPPED[state](ending(6))

    assert reminders.remind_of_expiry(now, actor="test") == 0
    assert (said(), reminders_sent(), ExpiryReminder.objects.count()) == ([], 0, 0)


@pytest.mark.parametrize("state", STOPPED)
def test_a_letter_that_waited_too_long_is_withheld(state: str, now: datetime) -> None:
    key = ending(6)
    reminders.remind_of_expiry(now, actor="test")
    STOPPED[state](key)

    mail.send_due(timezone.now())

    assert Mail.objects.get(template="key_expiring").withheld_at is not None


def test_what_a_rotation_ends_is_nothing_to_be_reminded_of(now: datetime) -> None:
    key = ending(400)
    rotate_key(key, maker=system("test"), grace=6 * DAY)

    assert reminders.remind_of_expiry(now, actor="test") == 0

    ApiKey.objects.filter(pk=key.pk).update(expires_at=now + 6 * DAY)
    assert reminders.remind_of_expiry(now, actor="test") == 1


def test_a_key_whose_end_was_put_off_is_announced_anew(now: datetime) -> None:
    key = ending(6)
    outcomes = [reminders.remind_of_expiry(now, actor="test")]
    for days in (7.5, 6, 20, 10, 6, 500, 0.5):
        ApiKey.objects.filter(pk=key.pk).update(expires_at=now + days * DAY)
        outcomes.append(reminders.remind_of_expiry(now, actor="test"))

    assert outcomes == [1, 0, 0, 0, 1, 1, 0, 1]
    assert said() == [7, 14, 7, 1]


def test_who_works_again_is_told_then(now: datetime) -> None:
    key = ending(6)
    disable_key(key, actor="test")
    assert reminders.remind_of_expiry(now, actor="test") == 0

    enable_key(key, maker=system("test"))

    assert reminders.remind_of_expiry(now, actor="test") == 1


def test_without_an_address_there_is_the_event_alone(now: datetime) -> None:
    ending(6)
    User.objects.update(email="")

    assert reminders.remind_of_expiry(now, actor="test") == 1
    assert (said(), reminders_sent()) == ([7], 0)


def test_a_services_key_without_an_owner_is_nobodys(now: datetime) -> None:
    key = make.service_key().key
    ApiKey.objects.filter(pk=key.pk).update(
        created_at=now - 100 * DAY, expires_at=now + DAY, owner=None
    )

    assert reminders.remind_of_expiry(now, actor="test") == 0


def test_a_quiet_day_reads_no_key_by_itself(
    now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        ending(6)
    reminders.remind_of_expiry(now, actor="test")

    with django_assert_num_queries(len(reminders.DAYS) + 1):
        assert reminders.remind_of_expiry(now, actor="test") == 0


def test_every_batch_is_gone_through(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "BATCH", 2)
    for _ in range(5):
        ending(6)

    assert reminders.remind_of_expiry(now, actor="test") == 5


def test_the_task_and_the_command_do_the_same() -> None:
    out = StringIO()
    ending(6)
    remind_of_expiry()
    ending(6)
    call_command("expiry_reminders", stdout=out)

    assert out.getvalue() == "Reminded of 1 keys.\n"
    events = Event.objects.filter(kind="apikey:expiring").order_by("id")
    assert list(events.values_list("actor", flat=True)) == ["schedule", "command"]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_four_at_once_tell_each_owner_once(now: datetime) -> None:
    for _ in range(10):
        ending(0.5)
    start = threading.Barrier(4)

    def run(_: int) -> int:
        try:
            start.wait(30)
            return reminders.remind_of_expiry(now, actor="test")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(run, range(4)))

    assert sum(counts) == 10
    assert (len(said()), reminders_sent()) == (10, 10)


def test_the_letter_names_key_and_day_in_both_languages(now: datetime) -> None:
    for locale, days in (("en_US", 7), ("zh_TW", 0.8)):
        key = ending(days, name='<b>"laptop"\n')
        User.objects.update(locale=locale)
        reminders.remind_of_expiry(now, actor="test")
        mail.send_due(timezone.now())
        letter = django_mail.outbox[-1]
        for body in (letter.body, str(letter.alternatives[0].content)):
            assert f"{key.expires_at:%Y-%m-%d %H:%M}" in body
            assert key.key_prefix in body
        assert '<b>"laptop"' in letter.body
        assert "<b>" not in str(letter.alternatives[0].content)

    assert [letter.subject for letter in django_mail.outbox] == [
        "Your API key ends in 7 days", "您的 API 金鑰明天到期",
    ]  # fmt: skip
