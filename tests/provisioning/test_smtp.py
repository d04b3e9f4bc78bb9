"""Letters over a real SMTP conversation: once, the same message when repeated, put off when not."""

import socket
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from django.conf import settings as django_settings
from django.test import override_settings
from django.utils import timezone

from events import mail
from events.models import Mail
from momentry.common.env import Environment
from momentry.smtp import mail_settings
from tests import make

pytestmark = pytest.mark.django_db


class Mailbox:
    """Takes letters, or answers as told; ``cut`` takes one and hangs up instead of saying so."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.answers: list[str] = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  aiosmtpd's name
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer == "cut":
            self.taken.append(envelope.content)
            server.transport.abort()
        elif answer.startswith("250"):
            self.taken.append(envelope.content)
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802  its too
        if address.startswith("nobody"):
            return "550 no such mailbox nobody@example.org"
        envelope.rcpt_tos.append(address)
        return "250 OK"


@pytest.fixture
def box():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    url = f"smtp://127.0.0.1:{port}?from=no-reply@example.org"
    try:
        with override_settings(**mail_settings(Environment({"EMAIL_URL": url}))):
            yield mailbox
    finally:
        server.stop(no_assert=True)


def send(ahead: int = 0) -> int:
    return mail.send_due(timezone.now() + timedelta(seconds=ahead))


def read(raw: bytes):
    return message_from_bytes(raw, policy=policy.default)


def test_a_welcome_arrives_whole(box):
    make.member("alice")

    assert (send(), send()) == (1, 0)

    letter = read(box.taken[0])
    assert (letter["To"], letter["From"]) == ("alice@example.org", "no-reply@example.org")
    assert letter.get_content_type() == "multipart/alternative"
    assert "/claim/" in letter.get_body(("plain",)).get_content()
    assert Mail.objects.get().sent_at is not None


def test_a_letter_whose_answer_was_lost_comes_again_as_the_same_message(box):
    make.member("alice")
    box.answers = ["cut"]

    assert (send(), send(), send(11)) == (1, 0, 1)

    first, second = (read(raw) for raw in box.taken)
    assert first["Message-ID"] == second["Message-ID"] == f"<{Mail.objects.get().pk}@127.0.0.1>"
    for kind in ("plain", "html"):
        assert first.get_body((kind,)).get_content() == second.get_body((kind,)).get_content()


def test_a_full_mailbox_is_tried_again(box):
    make.member("alice")
    box.answers = ["451 later"]

    send()
    row = Mail.objects.get()
    assert (row.attempts, row.sent_at, row.last_error) == (1, None, "SMTPDataError")
    send(11)

    assert len(box.taken) == 1


def test_a_refused_recipient_is_named_nowhere_and_holds_up_nobody(box, caplog):
    make.member("alice", email="nobody@example.org")
    make.member("bob")

    assert send() == 2

    row = Mail.objects.order_by("id").first()
    assert (row.sent_at, row.last_error) == (None, "SMTPRecipientsRefused")
    ours = [record for record in caplog.records if record.name == "events.mail"]
    assert len(ours) == 1
    assert "nobody@" not in str(vars(ours[0]))
    assert [read(raw)["To"] for raw in box.taken] == ["bob@example.org"]


def test_an_address_with_a_line_feed_adds_no_recipient(box):
    mail.queue("welcome", recipient="a@example.org\nBcc: b@example.org", claim=None)

    send()

    assert box.taken == []
    assert Mail.objects.get().last_error == "ValueError"


def test_the_console_is_what_is_used_without_a_server():
    assert "console" in mail_settings(Environment({}))["EMAIL_BACKEND"]
    assert "locmem" in django_settings.EMAIL_BACKEND
