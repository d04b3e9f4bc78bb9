"""The mail outbox: queue a letter in a transaction; the relay renders and sends it afterwards.

Apps register a renderer for each template at start, so the relay needs no upward import.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone

from events.kinds import Kind
from events.models import Mail
from events.services import record
from momentry.common import wake
from momentry.common.veil import veils

logger = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 12
FIRST_DELAY: Final = timedelta(seconds=10)
LONGEST_DELAY: Final = timedelta(hours=1)


@veils("text", "html")
class Letter(NamedTuple):
    subject: str
    text: str
    html: str = ""


Renderer = Callable[[Mail], Letter]
RENDERERS: Final[dict[str, Renderer]] = {}


def register(template: str, renderer: Renderer) -> None:
    RENDERERS[template] = renderer


def queue(template: str, *, recipient: str, locale: str = "", **context: Any) -> Mail:
    """``context`` holds ids only: it is stored in clear."""
    mail = Mail.objects.create(
        template=template, recipient=recipient, locale=locale, context=context
    )
    wake.call("mail")
    return mail


def send_due(at: datetime, *, most: int = 50) -> int:
    """Send what is due, oldest first, each in a transaction of its own; how many were tried."""
    tried = 0
    while tried < most and send_next(at):
        tried += 1
    return tried


@transaction.atomic
def send_next(at: datetime) -> bool:
    """Send one letter that no other relay holds; False when there is none."""
    mail = (
        Mail.objects.due(at).select_for_update(skip_locked=True).order_by("next_attempt_at").first()
    )
    if mail is None:
        return False
    mail.attempts += 1
    try:
        deliver(mail)
    except Exception as error:  # noqa: BLE001  whatever fails, the letter stays and is retried
        put_off(mail, error, at)
    else:
        mail.sent_at, mail.last_error = timezone.now(), ""
    mail.save(update_fields=["attempts", "sent_at", "failed_at", "next_attempt_at", "last_error"])
    return True


@transaction.atomic
def send_again(mail: Mail, *, actor: str) -> bool:
    """A letter that was given up is due at once. False when it was not given up."""
    changed = Mail.objects.filter(pk=mail.pk, sent_at=None, failed_at__isnull=False).update(
        failed_at=None, attempts=0, next_attempt_at=timezone.now(), last_error=""
    )
    if changed:
        wake.call("mail")
        record(Kind.MAIL_RETRIED, actor=actor, subject=f"mail:{mail.pk.hex}")
    return bool(changed)


def deliver(mail: Mail) -> None:
    letter = RENDERERS[mail.template](mail)
    message = EmailMultiAlternatives(letter.subject, letter.text, to=[mail.recipient or ""])
    if letter.html:
        message.attach_alternative(letter.html, "text/html")
    # The same id on every attempt: a retry after a lost answer is the same message.
    message.extra_headers["Message-ID"] = f"<{mail.id}@momentry>"
    message.extra_headers["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notices
    message.send()


def put_off(mail: Mail, error: Exception, at: datetime) -> None:
    """Only the error's kind is kept: its text may repeat the recipient."""
    mail.last_error = type(error).__name__
    logger.warning("mail not sent", extra={"mail": str(mail.id), "error": mail.last_error})
    if mail.attempts >= MAX_ATTEMPTS:
        mail.failed_at = at
    delay = min(FIRST_DELAY * 2 ** (mail.attempts - 1), LONGEST_DELAY)
    mail.next_attempt_at = at + delay
