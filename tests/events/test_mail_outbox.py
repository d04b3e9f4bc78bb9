"""The mail outbox: sent once, put off when it fails, given up visibly, rendered as it is sent."""

from datetime import timedelta

import pytest
from django.core import mail as django_mail
from django.db import connection
from django.utils import timezone

from events import mail
from events.models import Mail
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def welcome():
    make.member()
    return Mail.objects.get()


def send(ahead=timedelta(0)):
    return mail.send_due(timezone.now() + ahead)


def test_a_letter_is_sent_once(welcome):
    assert (send(), send()) == (1, 0)

    letter = django_mail.outbox[0]
    assert letter.to == ["alice@example.org"]
    assert letter.extra_headers["Message-ID"] == f"<{welcome.pk}@127.0.0.1>"


def test_the_link_in_the_welcome_opens_the_claim_page(welcome, api):
    send()
    link = next(line for line in django_mail.outbox[0].body.splitlines() if "/claim/" in line)

    assert api.get(link.strip().removeprefix("http://127.0.0.1:3002")).status_code == 200


def test_a_letter_that_fails_is_tried_again_later_and_later(welcome, monkeypatch):
    monkeypatch.setitem(mail.RENDERERS, "welcome", failing)

    assert (send(), send()) == (1, 0)
    assert send(timedelta(seconds=11)) == 1
    assert send(timedelta(seconds=15)) == 0

    welcome.refresh_from_db()
    assert (welcome.attempts, welcome.sent_at, welcome.last_error) == (2, None, "OSError")


def test_a_letter_is_given_up_after_twelve_attempts(welcome, monkeypatch):
    monkeypatch.setitem(mail.RENDERERS, "welcome", failing)

    tried = [send(timedelta(days=day)) for day in range(14)]

    welcome.refresh_from_db()
    assert (sum(tried), welcome.attempts, welcome.failed_at is not None) == (12, 12, True)


def test_one_bad_letter_does_not_hold_the_others(welcome, monkeypatch):
    make.member("bob")

    def render(row):
        return failing(row) if row == welcome else mail.Letter("subject", "text")

    monkeypatch.setitem(mail.RENDERERS, "welcome", render)

    assert send() == 2
    assert [letter.to for letter in django_mail.outbox] == [["bob@example.org"]]


def test_the_recipient_is_encrypted_at_rest(welcome):
    with connection.cursor() as cursor:
        cursor.execute("SELECT recipient FROM events_mail")
        (stored,) = cursor.fetchone()

    assert "alice" not in stored


def failing(_):
    raise OSError("alice@example.org refused")
