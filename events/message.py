"""A letter as a message (RFC 5322). What stays the same on each attempt comes from the row."""

import re
from email.utils import format_datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.message import sanitize_address

from events.models import Mail
from momentry.common.veil import veils

DOT_ATOM: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
NOWHERE: Final = "momentry.invalid"  # RFC 2606: nobody's


class WithheldError(Exception):
    """A letter that says nothing any more, or that nobody wants."""


@veils("text", "html", "unsubscribe")
class Letter(NamedTuple):
    """``unsubscribe``: the link that calls such letters off, where they can be."""

    subject: str
    text: str
    html: str = ""
    unsubscribe: str = ""


def message_of(mail: Mail, letter: Letter) -> EmailMultiAlternatives:
    """Raises ValueError for what can be no message: no address, or one with line feeds."""
    given = mail.recipient or ""
    recipient = sanitize_address(given, "utf-8")
    if "@" not in recipient or not given.isprintable():
        raise ValueError("no address")
    message = EmailMultiAlternatives(letter.subject, letter.text, to=[recipient])
    if letter.html:
        message.attach_alternative(letter.html, "text/html")
    message.extra_headers |= {
        # The same on every attempt: a retry after a lost answer is the same message.
        "Message-ID": f"<{mail.pk}@{id_domain(settings.PUBLIC_URL)}>",
        "Date": format_datetime(mail.created_at),
        "Auto-Submitted": "auto-generated",  # RFC 3834: no absence notices
    }
    if letter.unsubscribe:
        message.extra_headers["List-Unsubscribe"] = f"<{letter.unsubscribe}>"
        message.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message.message()  # so that what it refuses is known before a server is asked
    return message


def id_domain(url: str) -> str:
    """The host of a URL as the right side of a message id (RFC 5322 §3.6.4)."""
    host = urlsplit(url).hostname or ""
    if ":" in host:
        return f"[IPv6:{host}]"
    try:
        name = host.rstrip(".").encode("idna").decode()
    except UnicodeError:
        return NOWHERE
    return name if DOT_ATOM.fullmatch(name) else NOWHERE
