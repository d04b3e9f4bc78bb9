"""What staff are written to about: what needs them, rarely; the week in numbers, once."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Status, User
from apikeys.models import Anomaly, ApiKey, DailyUsage, Leak, LeakOutcome
from apikeys.services.leaks import Proven, Report, take_leak
from apikeys.services.life import quarantine_key
from events import mail
from events.kinds import Kind
from events.mailmodels import StaffAlert, StaffDigest
from events.models import Event, Mail
from events.services import record
from events.topics import Topic
from events.unsubscribing import Subscription, unsubscribe
from momentry import alerts, digest, staffmail
from momentry.common.env import ConfigurationError, Environment
from momentry.smtp import staff_addresses
from momentry.tasks import purge_mails, staff_alerts, staff_digest
from provisioning.models import ProvisioningTask, System, TaskState
from proxy.models import DownTarget
from tests import make

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)


DEAD = {"system": "sftpgo", "error": "secret remark"}
DETAILS: dict[Kind, dict[str, Any]] = {
    Kind.PROVISIONING_DEAD: DEAD,
    Kind.PROVISIONING_FAILED: DEAD,
    Kind.TOKEN_BROKEN: {
        "provider": "gitea", "label": "ci", "base_url": "", "owner": None, "reason": "refused",
    },
    Kind.APIKEY_QUARANTINED: {"reason": "secret remark"},
    Kind.MEMBER_CREATED: {"status": "active"},
}  # fmt: skip


def happens(kind: Kind = Kind.PROVISIONING_DEAD, times: int = 1) -> None:
    with transaction.atomic():
        for number in range(times):
            record(kind, actor="relay", subject=f"member:{number}", **DETAILS[kind])


def bodies() -> list[str]:
    """Of letters that go out now."""
    before = len(django_mail.outbox)
    mail.send_due(timezone.now())
    return [
        text
        for letter in django_mail.outbox[before:]
        for text in (str(letter.subject), str(letter.body), str(letter.alternatives[0].content))
    ]


@pytest.fixture
def root() -> User:
    return make.staff("root")


def test_letters_to_staff_go_to_active_superusers_or_to_whom_the_settings_name(
    root: User, settings: Any
) -> None:
    make.member("alice")
    make.staff("clerk", superuser=False)
    User.objects.filter(pk=make.staff("mute").pk).update(email="")
    User.objects.filter(pk=make.staff("gone").pk).update(status=Status.DELETED)

    assert [reader.address for reader in staffmail.readers()] == ["root@example.org"]
    settings.STAFF_EMAIL = ["ops@example.org", "night@example.org"]
    assert staffmail.readers() == [("ops@example.org", "", ""), ("night@example.org", "", "")]


@pytest.mark.parametrize("text", ["ops", "a@b@", "ops@example.org, x", "Ops <ops@example.org>"])
def test_what_is_no_address_stops_the_start(text: str) -> None:
    assert staff_addresses(Environment({"STAFF_EMAIL": "a@b.org, c@d.org"})) == [
        "a@b.org",
        "c@d.org",
    ]
    with pytest.raises(ConfigurationError, match="STAFF_EMAIL"):
        staff_addresses(Environment({"STAFF_EMAIL": text}))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.PROVISIONING_DEAD, 1), (Kind.TOKEN_BROKEN, 1), (Kind.APIKEY_QUARANTINED, 1),
        (Kind.PROVISIONING_FAILED, 0), (Kind.MEMBER_CREATED, 0),
    ],
)  # fmt: skip
def test_what_needs_staff_is_told_and_nothing_else(kind: Kind, expected: int, root: User) -> None:
    happens(kind)

    assert alerts.tell_staff(timezone.now()) == expected
    assert Mail.objects.filter(template="staff_alert").count() == expected


def test_a_letter_has_kinds_and_links_and_no_details(root: User) -> None:
    happens(times=25)
    alerts.tell_staff(timezone.now())

    subject, text, html = bodies()
    event = Event.objects.order_by("pk").first()
    assert event is not None
    assert subject == "25 events that need somebody"
    for body in (text, html):
        assert f"/admin/events/event/{event.pk}/change/" in body
        assert "And 5 more" in body
        assert "remark" not in body
    assert Mail.objects.get().context["member"] == root.pk.hex


def test_a_quarantine_says_why(root: User) -> None:
    now, owner = timezone.now(), make.member("alice")
    keys = [make.key(owner) for _ in range(3)]
    leaked, unusual, stopped = (made.key for made in keys)
    take_leak(Proven(leaked.pk), Report("scan", "stdin"), secret=keys[0].secret, actor="test")
    Anomaly.objects.create(key=unusual, rule="rate", hour=now, value=9, usual=1, threshold=5,
                           quarantined=True)  # fmt: skip
    Anomaly.objects.create(key=stopped, rule="rate", hour=now, value=9, usual=1, threshold=5)
    Leak.objects.create(key=stopped, place="x", outcome=LeakOutcome.REPORTED)
    for key in (unusual, stopped):
        quarantine_key(key, actor="test", reason="anomaly: rate")
    Mail.objects.all().delete()
    alerts.tell_staff(now)

    said = {key: line for line in bodies()[1].splitlines() for key in (leaked, unusual, stopped)
            if f"(key:{key.pk.hex})" in line}  # fmt: skip
    assert "a key leaked and was quarantined" in said[leaked]
    assert "a key was used unusually and was quarantined" in said[unusual]
    assert "a key was quarantined" in said[stopped]


@pytest.mark.parametrize("work", [alerts.tell_staff, digest.send_digest])
def test_nothing_counts_as_told_where_nobody_is(
    work: Callable[[datetime], int], root: User, caplog: pytest.LogCaptureFixture
) -> None:
    now = timezone.now()
    happens()
    User.objects.filter(pk=root.pk).update(email="")

    assert work(now) == 0
    assert "nobody is written to" in caplog.text
    assert not any(rows.objects.exists() for rows in (Mail, StaffAlert, StaffDigest))

    User.objects.filter(pk=root.pk).update(email="root@example.org")
    assert work(now) == 1


def test_what_follows_waits_and_shares_the_next_letter(root: User) -> None:
    now = timezone.now()
    happens()
    told = [alerts.tell_staff(now)]
    happens(times=3)
    told += [alerts.tell_staff(now + timedelta(minutes=later)) for later in (5, 29, 31, 40, 70)]

    assert told == [1, 0, 0, 3, 0, 0]
    assert Mail.objects.count() == 2


def test_what_is_too_old_is_not_news_and_what_was_told_is_forgotten(root: User) -> None:
    now = timezone.now()
    happens()
    assert alerts.tell_staff(now + timedelta(hours=25)) == 0

    assert alerts.tell_staff(now) == 1
    Event.objects.create(
        kind=Kind.PROVISIONING_DEAD, actor="relay", subject="member:1", details=json.dumps(DEAD),
        occurred_at=now + timedelta(days=3),
    )  # fmt: skip
    assert alerts.tell_staff(now + timedelta(days=3)) == 1
    assert StaffAlert.objects.count() == 1


def filled_week() -> None:
    days = (datetime(2026, 11, 8, tzinfo=UTC), datetime(2026, 11, 9, tzinfo=UTC),
            datetime(2026, 11, 15, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC))  # fmt: skip
    alice, bob = make.member("alice"), make.member("bob")
    User.objects.filter(pk=alice.pk).update(created_at=days[1], username="<b>alice")
    User.objects.filter(pk=bob.pk).update(created_at=days[0])
    for day, number, member in zip(days, (1, 20, 3000, 7), (alice, bob, alice, bob), strict=True):
        counted = dict.fromkeys(
            ("successful_requests", "total_response_time_us", "tokens_in", "tokens_out",
             "tokens_cached", "tokens_reasoning", "bytes_in", "bytes_out"), 0,
        )  # fmt: skip
        DailyUsage.objects.create(
            period_start=day, member_id=member.pk, upstream="echo", operation="", model="",
            status=500, total_requests=number, failed_requests=number, cost_micro=number * 10_000,
            **counted,
        )  # fmt: skip
    ProvisioningTask.objects.create(member=alice, system=System.SFTPGO, state=TaskState.DEAD)
    target = make.upstream("whisper").targets.get()
    DownTarget.objects.create(target=target, since=days[1], reason="x")
    key = make.service_key().key
    soon = timezone.now() + timedelta(days=20)
    ApiKey.objects.filter(pk=key.pk).update(owner=None, expires_at=soon)


def test_the_digest_says_what_went_on_and_what_waits(root: User) -> None:
    filled_week()
    Mail.objects.all().delete()

    assert digest.send_digest(MONDAY) == 1

    subject, text, html = bodies()
    assert subject == "The week in numbers: 2026-11-09 to 2026-11-15"
    for line in (
        "members: 1 new, 2 active, 0 pending", "requests: 3,020, of which failed or refused: 3,020",
        "cost: 30.20", "<b>alice: 3,000", "bob: 20", "provisioning given up: 1",
        "upstreams with a target out: whisper", "services' keys that end within 30 days: test",
    ):  # fmt: skip
        assert line in text
    assert "<b>alice" not in html
    assert "&lt;b&gt;alice" in html


def test_a_week_is_told_once_whenever_it_is_asked_for(root: User) -> None:
    days = (0, 1, 6.6, 7, 8)
    counts = [digest.send_digest(MONDAY + timedelta(days=day)) for day in days]

    assert counts == [1, 0, 0, 1, 0]
    assert list(StaffDigest.objects.order_by("week").values_list("week", flat=True)) == [
        MONDAY.date(), MONDAY.date() + timedelta(days=7),
    ]  # fmt: skip


def test_staff_can_call_the_digest_off_and_not_the_alerts(root: User) -> None:
    unsubscribe(Subscription(root.pk, Topic.DIGEST), actor="test")
    digest.send_digest(MONDAY)
    happens()
    alerts.tell_staff(timezone.now())

    assert bodies()[0] == "An event that needs somebody"
    assert Mail.objects.get(template="staff_digest").withheld_at is not None
    assert "List-Unsubscribe" not in django_mail.outbox[0].extra_headers


def test_the_tasks_and_the_commands_do_the_same(root: User) -> None:
    out = StringIO()
    for task, command in ((staff_alerts, "staff_alerts"), (staff_digest, "staff_digest")):
        happens()
        task()
        call_command(command, stdout=out)
    Mail.objects.update(created_at=MONDAY - timedelta(days=400), sent_at=MONDAY)
    purge_mails()

    assert out.getvalue() == "Told staff of 0 events.\nWrote 0 digests.\n"
    assert not Mail.objects.exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("work", [alerts.tell_staff, digest.send_digest])
def test_four_at_once_tell_it_once(work: Callable[[datetime], int]) -> None:
    make.staff("root")
    happens()
    now = timezone.now()
    begin = threading.Barrier(4)

    def run(_: int) -> int:
        try:
            begin.wait(30)
            return work(now)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(run, range(4)))

    assert sorted(counts) == [0, 0, 0, 1]
    assert Mail.objects.count() == 1
