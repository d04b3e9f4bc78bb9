"""What becomes of a letter when its server refuses, hangs, or goes away in the middle."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from events import mail, smtp
from events.models import Mail
from tests import make
from tests.events.smtp_server import CUT, DRIP, SILENCE, USUAL, Server, smtp_server

pytestmark = pytest.mark.django_db

LATER = timedelta(seconds=11)  # than the first delay


@pytest.fixture
def server() -> Iterator[Server]:
    with smtp_server() as made:
        yield made


@pytest.fixture
def letter() -> Mail:
    make.member("alice")
    return Mail.objects.get()


def send(ahead: timedelta = timedelta(0)) -> str:
    """What becomes of the one letter."""
    mail.send_due(timezone.now() + ahead, most=1)
    row = Mail.objects.get()
    if row.sent_at is not None:
        return "sent"
    return f"{'failed' if row.failed_at else 'waits'}: {row.last_error}"


@pytest.mark.parametrize(
    ("verb", "reply", "expected"),
    [
        ("RCPT", "550 5.1.1 no such mailbox", "failed: SMTPRecipientsRefused"),
        ("RCPT", "550 no such mailbox", "failed: SMTPRecipientsRefused"),
        ("RCPT", "550-5.2.1 disabled\r\n550 5.2.1 ask them", "failed: SMTPRecipientsRefused"),
        ("RCPT", "552 5.2.2 full", "failed: SMTPRecipientsRefused"),
        ("RCPT", "450 4.2.0 greylisted", "waits: SMTPRecipientsRefused"),
        ("RCPT", "421 shutting down", "waits: SMTPRecipientsRefused"),
        ("RCPT", "450 5.1.1 a code that says both", "waits: SMTPRecipientsRefused"),
        ("DATA", "451 later", "waits: SMTPDataError"),
        ("END", "554 5.6.0 malformed", "failed: SMTPDataError"),
        ("END", "550 5.1.1 found out late", "failed: SMTPDataError"),
        ("END", "452 no room", "waits: SMTPDataError"),
        ("END", "999 5.1.1 nonsense", "waits: SMTPDataError"),
        # What hits every letter.
        ("RCPT", "554 5.7.1 Relay access denied", "waits: SMTPRecipientsRefused"),
        ("RCPT", "550 5.7.1 Client host blocked", "waits: SMTPRecipientsRefused"),
        ("RCPT", "550 5.1.8 Sender address rejected", "waits: SMTPRecipientsRefused"),
        ("RCPT", "554 no", "waits: SMTPRecipientsRefused"),
        ("DATA", "550 5.4.5 Daily quota exceeded", "waits: SMTPDataError"),
        ("DATA", "554 no", "waits: SMTPDataError"),
        ("END", "550 spam", "waits: SMTPDataError"),
        ("END", "554 5.7.1 policy", "waits: SMTPDataError"),
        # The sender and the way to the server are the same for all letters: somebody mends them.
        ("MAIL", "550 not you", "waits: SMTPSenderRefused"),
        ("MAIL", "530 log in first", "waits: SMTPSenderRefused"),
        ("CONNECT", "554 go away", "waits: SMTPConnectError"),
        ("CONNECT", "421 busy", "waits: SMTPConnectError"),
        ("CONNECT", CUT, "waits: SMTPServerDisconnected"),
        ("MAIL", CUT, "waits: SMTPServerDisconnected"),
        ("RCPT", CUT, "waits: SMTPServerDisconnected"),
        ("END", CUT, "waits: SMTPServerDisconnected"),
        ("RCPT", "x" * 9000, "waits: SMTPResponseException"),
        ("QUIT", CUT, "sent"),
        ("QUIT", "500 never", "sent"),
    ],
)
def test_a_refusal_of_the_letter_is_final_and_all_else_is_tried_again(
    verb: str, reply: str, expected: str, server: Server, letter: Mail
) -> None:
    server.answers[verb] = reply

    assert send() == expected

    server.answers.clear()
    assert send(LATER) == (expected if expected.startswith("failed") else "sent")
    assert len({found["Message-ID"] for found in server.taken}) <= 1


def test_what_arrives_twice_is_the_same_message(server: Server, letter: Mail) -> None:
    server.answers["END"] = CUT
    send()
    server.answers.clear()
    send(LATER)

    first, second = server.taken
    for name in ("Message-ID", "Date", "To", "From", "Subject"):
        assert first[name] == second[name]
    assert first["Message-ID"] == f"<{letter.pk}@127.0.0.1>"


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "RCPT", "DATA", "END"])
def test_a_server_that_says_nothing_is_left_after_the_time_out(
    verb: str, server: Server, letter: Mail
) -> None:
    server.answers[verb] = SILENCE
    if verb == "EHLO":
        server.answers["HELO"] = SILENCE

    with override_settings(EMAIL_TIMEOUT=0.2):
        assert send() == "waits: SMTPServerDisconnected"

    server.answers.clear()
    assert send(LATER) == "sent"


@pytest.mark.parametrize("verb", ["CONNECT", "RCPT", "END"])
def test_a_server_that_answers_byte_by_byte_is_left_when_the_letters_time_is_over(
    verb: str, server: Server, letter: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "CONVERSATION_SECONDS", 0.3)
    server.answers[verb] = DRIP
    began = time.monotonic()

    assert send() == "waits: SMTPServerDisconnected"

    assert time.monotonic() - began < 10


def test_silence_after_the_letter_was_taken_is_no_failure(
    server: Server, letter: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "GOODBYE_SECONDS", 0.2)
    server.answers["QUIT"] = SILENCE

    assert send() == "sent"
    assert (len(server.taken), send(LATER)) == (1, "sent")
    assert len(server.taken) == 1


def test_a_password_that_is_refused_is_mended_by_somebody(letter: Mail) -> None:
    with smtp_server("smtp://ann:wrong@127.0.0.1:{port}?starttls=false") as server:
        server.answers["AUTH"] = "535 no"
        assert send() == "waits: SMTPAuthenticationError"
        assert server.taken == []

        server.answers["AUTH"] = USUAL["AUTH"]
        assert send(LATER) == "sent"


def test_settings_that_cannot_be_written_down_are_mended_by_somebody(letter: Mail) -> None:
    with smtp_server("smtp://ann:p%C3%A4ss@127.0.0.1:{port}?starttls=false"):
        assert send() == "waits: UnicodeEncodeError"
        with override_settings(EMAIL_HOST="m" * 64):
            assert send(LATER) == "waits: UnicodeError"


def test_a_letter_that_cannot_be_rendered_waits(
    server: Server, letter: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Mail) -> mail.Letter:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setitem(mail.RENDERERS, "welcome", broken)
        assert send() == "waits: ValueError"

    assert send(LATER) == "sent"


def test_nobody_who_listens_is_waited_for(letter: Mail) -> None:
    with smtp_server() as server:
        server.stop()

        assert send() == "waits: ConnectionRefusedError"


@pytest.mark.parametrize(
    "address",
    ["", "a@example.org\nBcc: b@example.org", "a@example.org\r\n\r\nhello", "a@b, c@d", "a"],
)
def test_what_is_no_address_is_given_up_before_a_server_is_asked(
    address: str, server: Server
) -> None:
    mail.queue("welcome", recipient=address, claim="0" * 32)

    assert send() == "failed: ValueError"
    assert server.lines == []
