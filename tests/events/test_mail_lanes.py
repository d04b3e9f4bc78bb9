"""Several senders at once: each letter goes out once, and one that hangs holds up no other."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from events import mail
from events.mail import Letter
from events.models import Mail
from tests.events.smtp_server import SILENCE, smtp_server
from tests.gateway.wire import within

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
FAR = timedelta(minutes=3)  # behind the end of a lease


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mail.RENDERERS, "plain", lambda row: Letter(row.context["n"], "text"))


def queue(number: int) -> None:
    for each in range(number):
        mail.queue("plain", recipient=f"m{each}@example.org", n=str(each))


def lane(*_: Any) -> int:
    try:
        return mail.send_due(timezone.now())
    finally:
        connection.close()


def test_four_lanes_send_each_letter_once(plain: None) -> None:
    queue(40)

    with smtp_server() as server, ThreadPoolExecutor(4) as pool:
        tried = list(pool.map(lane, range(4)))

    assert sum(tried) == 40
    assert sorted(int(found["Subject"]) for found in server.taken) == list(range(40))
    assert set(Mail.objects.values_list("attempts", flat=True)) == {1}


def test_a_letter_that_hangs_holds_up_its_own_lane_only(plain: None) -> None:
    with smtp_server() as server, ThreadPoolExecutor(2) as pool:
        queue(1)
        server.answers["END"] = SILENCE
        stuck = pool.submit(lane)
        assert server.asked.acquire(timeout=20)
        server.answers.clear()
        queue(5)

        assert pool.submit(lane).result(20) == 5
        assert not stuck.done()
        assert Mail.objects.filter(sent_at=None).count() == 1
        server.over.set()
        assert stuck.result(20) == 1

    assert Mail.objects.get(sent_at=None).last_error == "SMTPServerDisconnected"


def test_no_transaction_is_open_while_a_letter_is_on_its_way(plain: None) -> None:
    queue(1)
    open_since = """SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND state = 'idle in transaction'"""
    with smtp_server() as server, ThreadPoolExecutor(1) as pool:
        server.answers["END"] = SILENCE
        stuck = pool.submit(lane)
        assert server.asked.acquire(timeout=20)
        with connection.cursor() as cursor:
            cursor.execute(open_since)
            assert cursor.fetchone() == (0,)
        server.over.set()
        stuck.result(20)


def test_a_letter_whose_sender_died_is_sent_after_its_lease(plain: None) -> None:
    queue(1)
    assert mail.take(timezone.now()) is not None  # and nothing is heard of it

    assert mail.send_due(timezone.now() + timedelta(seconds=60)) == 0
    assert mail.send_due(timezone.now() + FAR) == 1
    assert Mail.objects.get().sent_at is not None


def test_a_letter_that_ends_each_of_its_senders_is_given_up(plain: None) -> None:
    queue(2)
    poison = Mail.objects.order_by("pk").first()
    assert poison is not None
    Mail.objects.exclude(pk=poison.pk).update(next_attempt_at=timezone.now() + 100 * FAR)
    for number in range(mail.MAX_ATTEMPTS):
        assert mail.take(timezone.now() + number * FAR) is not None

    far = timezone.now() + 100 * FAR
    assert mail.send_due(far) == 1  # the other one

    poison.refresh_from_db()
    assert (poison.last_error, poison.sent_at) == ("Unfinished", None)
    assert poison.failed_at is not None
    assert mail.send_again(poison, actor="test")
    assert mail.send_due(far) == 1


CLOSE_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_a_database_that_goes_away_after_the_server_took_it_sends_it_once(plain: None) -> None:
    queue(1)
    with smtp_server() as server, ThreadPoolExecutor(1) as pool:
        server.answers["END"] = SILENCE
        going = pool.submit(lane)
        assert server.asked.acquire(timeout=20)
        with connection.cursor() as cursor:
            cursor.execute(CLOSE_ALL)
        server.answers.clear()
        server.go_on.set()

        assert going.result(20) == 1

    row = Mail.objects.get()
    assert row.sent_at is not None
    assert (len(server.taken), row.attempts, row.last_error) == (1, 1, "")


@pytest.mark.parametrize(("seconds", "raises"), [(100.0, False), (0.0, True)])
def test_a_mark_that_fails_is_tried_until_somebody_else_may_take_the_letter(
    seconds: float, raises: bool, plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(1)
    monkeypatch.setattr(mail, "MARK_PAUSE", 0)
    monkeypatch.setattr(mail, "MARKED", timedelta(seconds=seconds))
    away = iter([OperationalError, InterfaceError])

    def refuses(execute: Any, sql: str, *rest: Any) -> Any:
        if '"sent_at" = ' in sql.partition("WHERE")[0] and (error := next(away, None)):
            raise error
        return execute(sql, *rest)

    with connection.execute_wrapper(refuses):
        if raises:
            with pytest.raises(OperationalError):
                mail.send_due(timezone.now())
        else:
            assert mail.send_due(timezone.now()) == 1

    assert (Mail.objects.get().sent_at is None) == raises


def test_who_comes_late_spoils_nothing(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sender fails after another one took the letter and sent it."""
    queue(1)
    now = timezone.now()

    def slow(row: Mail) -> Letter:
        monkeypatch.setitem(mail.RENDERERS, "plain", lambda _: Letter("subject", "text"))
        assert mail.send_due(now + FAR) == 1
        raise OSError

    monkeypatch.setitem(mail.RENDERERS, "plain", slow)

    mail.send_due(now, most=1)

    row = Mail.objects.get()
    assert row.sent_at is not None
    assert (row.attempts, row.last_error, row.failed_at) == (2, "", None)


def test_a_relay_that_is_to_end_takes_no_further_letter(plain: None) -> None:
    queue(3)
    over = threading.Event()

    def is_over() -> bool:
        try:
            return over.is_set()
        finally:
            over.set()

    assert mail.send_due(timezone.now(), is_over=is_over) == 1
    assert within(1, lambda: Mail.objects.filter(sent_at=None).count() == 2)
