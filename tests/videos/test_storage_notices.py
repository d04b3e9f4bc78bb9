"""80, 95 and 100 % of the storage are told once for each crossing, to who can do something."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from io import StringIO
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from accounts.models import Status, User
from events import mail
from events.models import Event, Mail
from provisioning.models import ProvisioningTask
from tests import make
from tests.videos import rows
from videos.models import StorageNotice
from videos.services import notices
from videos.tasks import notify_storage

pytestmark = pytest.mark.django_db
LARGEST = 2**63 - 1


@pytest.fixture
def alice() -> User:
    made = make.registered("alice", welcome=False).member
    User.objects.filter(pk=made.pk).update(quota_size=1000)
    return made


def stores(member: User, used: int, **given: Any) -> int:
    """How many are told when the member stores that much."""
    User.objects.filter(pk=member.pk).update(quota_used=used, **given)
    return notices.notify_storage(actor="test")


def told() -> list[str]:
    """Levels, in the order they were said."""
    events = Event.objects.filter(kind__startswith="quota:").order_by("id")
    return list(events.values_list("kind", flat=True))


def letters() -> list[str]:
    return list(Mail.objects.order_by("id").values_list("template", flat=True))


def test_each_level_is_told_once_as_it_is_reached(alice: User) -> None:
    counts = [stores(alice, used) for used in (0, 799, 800, 801, 949, 950, 999, 1000, 1000, 2000)]

    assert counts == [0, 0, 1, 0, 0, 1, 0, 1, 0, 0]
    assert told() == ["quota:80", "quota:95", "quota:100"]
    assert letters() == ["quota_80", "quota_95", "quota_100"]


def test_an_event_says_the_numbers_and_a_letter_holds_ids_only(alice: User) -> None:
    stores(alice, 801)

    event, letter = Event.objects.get(kind="quota:80"), Mail.objects.get()
    assert (event.subject, event.actor) == (f"member:{alice.pk.hex}", "test")
    assert json.loads(event.details) == {"used": 801, "quota": 1000}
    assert (letter.recipient, letter.context) == (alice.email, {"member": alice.pk.hex})


def test_who_crosses_several_at_once_gets_one_letter(alice: User) -> None:
    assert stores(alice, 1200) == 1

    assert told() == ["quota:80", "quota:95", "quota:100"]
    assert letters() == ["quota_100"]


def test_a_level_is_told_again_only_after_a_fall_well_below_it(alice: User) -> None:
    around = [stores(alice, used) for used in (960, 901, 960, 899, 960, 760, 960, 749, 960)]

    assert around == [1, 0, 0, 0, 1, 0, 1, 0, 1]
    assert letters() == ["quota_95"] * 4
    both = ["quota:80", "quota:95"]  # said at one moment, so in no order of their own
    first, between, last = told()[:2], told()[2:-2], told()[-2:]
    assert (sorted(first), between, sorted(last)) == (both, ["quota:95"] * 2, both)


def test_another_quota_is_a_crossing_too(alice: User) -> None:
    assert stores(alice, 810) == 1

    assert stores(alice, 810, quota_size=None) == 0
    assert stores(alice, 810, quota_size=850) == 1
    assert stores(alice, 810, quota_size=5000) == 0
    assert not StorageNotice.objects.exists()
    assert letters() == ["quota_80", "quota_95"]


@pytest.mark.parametrize("quota", [0, None, 1000])
def test_who_stores_nothing_is_told_nothing(quota: int | None, alice: User) -> None:
    assert stores(alice, 0, quota_size=quota, quota_reserved=1000) == 0


def test_of_nothing_nothing_is_full_at_the_last_moment(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(quota_used=0, quota_size=0)

    assert not notices.notify_member(alice.pk, actor="test")


@pytest.mark.parametrize(("used", "said"), [(LARGEST, 1), (LARGEST // 2, 0)])
def test_the_largest_numbers_are_numbers(used: int, said: int, alice: User) -> None:
    assert stores(alice, used, quota_size=LARGEST) == said


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.PENDING, Status.DELETED])
def test_only_active_members_are_told_and_others_once_they_are_active_again(
    status: Status, alice: User
) -> None:
    assert stores(alice, 900, status=status) == 0
    assert (told(), letters()) == ([], [])

    assert stores(alice, 900, status=Status.ACTIVE) == 1


def test_who_is_suspended_at_the_last_moment_is_not_told(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(quota_used=900, status=Status.SUSPENDED)

    assert not notices.notify_member(alice.pk, actor="test")
    assert told() == []


def test_what_was_said_is_forgotten_also_of_who_is_gone(alice: User) -> None:
    stores(alice, 900)

    assert stores(alice, 0, status=Status.DELETED) == 0

    assert not StorageNotice.objects.exists()


def test_staff_store_nothing_of_their_own(alice: User) -> None:
    assert stores(alice, 900, is_staff=True) == 0


def test_without_an_address_there_is_the_event_alone(alice: User) -> None:
    assert stores(alice, 900, email="") == 1

    assert (told(), letters()) == (["quota:80"], [])


def test_the_member_is_not_changed_by_it(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(quota_used=900)
    before = User.objects.filter(pk=alice.pk).values().get()

    notices.notify_storage(actor="test")

    assert User.objects.filter(pk=alice.pk).values().get() == before
    assert not ProvisioningTask.objects.exists()


def test_no_video_is_read_and_a_quiet_hour_is_one_statement(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows.video(alice)
    for number in range(20):
        stores(make.registered(f"m{number}", welcome=False).member, 900, quota_size=1000)
    suspended = {"status": Status.SUSPENDED, "quota_used": 1000}
    User.objects.filter(username="m7").update(**suspended)

    with django_assert_num_queries(1) as found:
        assert notices.notify_storage(actor="test") == 0

    assert "videos_video" not in found.captured_queries[0]["sql"]


def test_every_batch_is_gone_through(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "BATCH", 2)
    for number in range(5):
        make.registered(f"m{number}", welcome=False)
    User.objects.update(quota_used=900, quota_size=1000)

    assert notices.notify_storage(actor="test") == 6


def test_what_could_not_be_written_was_not_said(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no outbox")

    with monkeypatch.context() as broken:
        broken.setattr(mail, "queue", fail)
        with pytest.raises(RuntimeError):
            stores(alice, 900)
    assert (told(), StorageNotice.objects.count()) == ([], 0)

    assert stores(alice, 900) == 1


def test_the_task_and_the_command_do_the_same(alice: User) -> None:
    said = StringIO()
    User.objects.filter(pk=alice.pk).update(quota_used=800)
    notify_storage()
    User.objects.filter(pk=alice.pk).update(quota_used=950)
    call_command("storage_notices", stdout=said)

    assert said.getvalue() == "Told 1 members of their storage.\n"
    actors = Event.objects.filter(kind__startswith="quota:").order_by("id")
    assert list(actors.values_list("actor", flat=True)) == ["schedule", "command"]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_four_at_once_tell_each_crossing_once() -> None:
    for number in range(10):
        make.registered(f"m{number}", welcome=False)
    User.objects.update(quota_used=970, quota_size=1000)
    start = threading.Barrier(4)

    def run(_: int) -> int:
        try:
            start.wait(30)
            return notices.notify_storage(actor="test")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(run, range(4)))

    assert sum(counts) == 10
    assert (len(told()), letters()) == (20, ["quota_95"] * 10)


def sent() -> list[Any]:
    """As a mail program reads them."""
    mail.send_due(timezone.now())
    found = [letter.message().as_bytes() for letter in django_mail.outbox]
    return [message_from_bytes(raw, policy=policy.default) for raw in found]


def test_the_letters_speak_both_languages_and_say_the_numbers_of_when_they_are_sent(
    alice: User,
) -> None:
    for locale in ("en_US", "zh_TW"):
        for used in (800, 950, 1000):
            stores(alice, used, locale=locale, quota_size=1000)
        stores(alice, 0)
    User.objects.filter(pk=alice.pk).update(quota_used=2048, quota_size=4096)

    found = sent()

    assert [letter["Subject"] for letter in found] == [
        "Your storage is filling up", "Your storage is almost full", "Your storage is full",
        "您的儲存空間即將不足", "您的儲存空間快要用完了", "您的儲存空間已滿",
    ]  # fmt: skip
    for letter in found:
        for kind in ("plain", "html"):
            body = letter.get_body((kind,)).get_content()
            assert "2.0\xa0KB" in body
            assert "4.0\xa0KB" in body


def test_a_letter_to_who_has_no_quota_any_more_names_none(alice: User) -> None:
    stores(alice, 800)
    User.objects.filter(pk=alice.pk).update(quota_size=None, display_name="<b>\nAl\u202eice")

    text, html = (sent()[0].get_body((kind,)).get_content() for kind in ("plain", "html"))

    assert "take 800\xa0bytes. " in text
    assert text.startswith("Hello <b> Al ice,")
    assert "<b>" not in html
