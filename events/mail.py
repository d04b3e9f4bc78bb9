"""The mail outbox: queue a letter in a transaction; the relay renders and sends it afterwards.

Apps register a renderer for each template at start, so the relay needs no upward import. Who takes
a letter has it for LEASE and holds no transaction while it sends: other letters go out meanwhile.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any, Final

from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.utils import timezone

from events.kinds import Kind
from events.message import Letter, WithheldError, message_of
from events.models import Mail
from events.services import record
from events.smtp import is_final
from events.topics import OF_LETTERS, Topic
from events.unsubscribing import is_wanted, subscription_of
from momentry.common import wake

logger = logging.getLogger(__name__)

__all__ = ["Letter", "queue", "register", "send_again", "send_due"]

MAX_ATTEMPTS: Final = 12
FIRST_DELAY: Final = timedelta(seconds=10)
LONGEST_DELAY: Final = timedelta(hours=1)
LEASE: Final = timedelta(minutes=2)
"""Longer than any attempt (events.smtp.CONVERSATION_SECONDS): whose relay died is sent after it."""
MARKED: Final = timedelta(seconds=100)  # after a letter was taken: until then that it went is noted
MARK_PAUSE: Final = 0.5
UNFINISHED: Final = "Unfinished"  # nobody lived to say what became of its last attempt

Renderer = Callable[[Mail], Letter]
RENDERERS: Final[dict[str, Renderer]] = {}


def register(template: str, renderer: Renderer, *, topic: Topic | None = None) -> None:
    """With a ``topic`` it can be called off; its letters name their member in the context."""
    RENDERERS[template] = renderer
    if topic is not None:
        OF_LETTERS[template] = topic


def queue(template: str, *, recipient: str, locale: str = "", **context: Any) -> Mail:
    """``context`` holds ids only: it is stored in clear."""
    mail = Mail.objects.create(
        template=template, recipient=recipient, locale=locale, context=context
    )
    wake.call("mail")
    return mail


def never() -> bool:
    return False


def send_due(at: datetime, *, most: int = 50, is_over: Callable[[], bool] = never) -> int:
    """Send what is due, oldest first; how many were tried. ``is_over``: take no more."""
    tried = 0
    while tried < most and not is_over() and send_next(at):
        tried += 1
    return tried


def send_next(at: datetime) -> bool:
    """Send one letter that no other relay holds; False when there is none."""
    until = monotonic() + MARKED.total_seconds()
    mail = take(at)
    if mail is None:
        return False
    try:
        letter = render(mail)
        try:
            message = message_of(mail, letter)
        except ValueError as error:  # as it would each time
            put_off(mail, error, at, is_last=True)
            return True
        message.send()
    except WithheldError:
        Mail.objects.filter(pk=mail.pk, sent_at=None).update(withheld_at=timezone.now())
    except Exception as error:  # noqa: BLE001  whatever fails, the letter stays and is retried
        put_off(mail, error, at, is_last=is_final(error))
    else:
        mark_sent(mail, until)
    return True


def mark_sent(mail: Mail, until: float) -> None:
    """Whoever holds it by now: it went out. A database that is away is asked again as long as
    nobody else takes the letter; after that the reader gets it twice, as one message."""
    while True:
        try:
            Mail.objects.filter(pk=mail.pk).update(
                sent_at=timezone.now(), failed_at=None, last_error=""
            )
        except (OperationalError, InterfaceError):
            if monotonic() >= until:
                raise
            close_old_connections()
            sleep(MARK_PAUSE)
        else:
            return


def render(mail: Mail) -> Letter:
    """WithheldError when it says nothing any more, or nobody wants to hear it."""
    found = subscription_of(mail)
    if found and not is_wanted(found):
        raise WithheldError
    return RENDERERS[mail.template](mail)


@transaction.atomic
def take(at: datetime) -> Mail | None:
    """The letter that waits longest; it is due again when the lease is over. Its attempts tell who
    holds it from who held it before. One that ended its sender each time is given up."""
    rows = Mail.objects.due(at).select_for_update(skip_locked=True).order_by("next_attempt_at")
    mail = rows.first()
    while mail is not None and mail.attempts >= MAX_ATTEMPTS:
        logger.warning("mail not sent", extra={"mail": str(mail.id), "error": UNFINISHED})
        Mail.objects.filter(pk=mail.pk).update(
            failed_at=max(at, timezone.now()), last_error=UNFINISHED
        )
        mail = rows.first()
    if mail is not None:
        mail.attempts += 1
        mail.next_attempt_at = max(at, timezone.now()) + LEASE
        mail.save(update_fields=["attempts", "next_attempt_at"])
    return mail


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


def put_off(mail: Mail, error: Exception, at: datetime, *, is_last: bool) -> None:
    """Only the error's kind is kept: its text may repeat the recipient. Nothing changes when the
    lease ran out and somebody else took the letter."""
    name = type(error).__name__
    logger.warning("mail not sent", extra={"mail": str(mail.id), "error": name})
    now = max(at, timezone.now())
    is_last = is_last or mail.attempts >= MAX_ATTEMPTS
    Mail.objects.filter(pk=mail.pk, attempts=mail.attempts, sent_at=None).update(
        last_error=name,
        failed_at=now if is_last else None,
        next_attempt_at=now + min(FIRST_DELAY * 2 ** (mail.attempts - 1), LONGEST_DELAY),
    )
