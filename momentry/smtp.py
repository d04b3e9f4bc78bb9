"""EMAIL_URL as Django's mail settings, and who of the staff is written to; knows nothing of what is
sent."""

import re
from email.utils import parseaddr
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from momentry.common.env import Environment, fail

NAME: Final = "EMAIL_URL"
STAFF: Final = "STAFF_EMAIL"
ADDRESS: Final = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")
CONSOLE: Final = {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
SECONDS: Final = 15  # for one answer; a whole letter has events.smtp.CONVERSATION_SECONDS


def staff_addresses(env: Environment) -> list[str]:
    """Who gets the letters to staff instead of the superusers."""
    found = env.words(STAFF)
    if not all(ADDRESS.fullmatch(address) for address in found):
        fail(STAFF, "must be mail addresses, separated by commas.")
    return found


def mail_settings(env: Environment) -> dict[str, Any]:
    """``smtp://user:password@host:587`` or ``smtps://…``; without it, letters go to the console.

    With a user, ``smtp`` demands STARTTLS: no password goes over the net in clear unless
    ``?starttls=false`` says that it may. ``?from=`` is the sender.
    """
    if not env.has(NAME):
        return CONSOLE
    parts = urlsplit(env.url(NAME, None, ("smtp", "smtps")))
    options = dict(parse_qsl(parts.query))
    if not parts.hostname or set(options) - {"starttls", "from"}:
        fail(NAME, "must be smtp://host or smtps://host, with no options but starttls and from.")
    secure = parts.scheme == "smtps"
    starttls = options.get("starttls", "true" if parts.username and not secure else "false")
    if starttls not in ("true", "false") or (secure and starttls == "true"):
        fail(NAME, "has a starttls that is not true or false, or that is true with smtps.")
    sender = options.get("from", "")
    if sender and not (sender.isprintable() and ADDRESS.fullmatch(parseaddr(sender)[1])):
        fail(NAME, "has a from that is no mail address, with or without a name before it.")
    found = {
        "EMAIL_BACKEND": "events.smtp.Backend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if secure else 587 if starttls == "true" else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": secure,
        "EMAIL_USE_TLS": starttls == "true",
        "EMAIL_TIMEOUT": SECONDS,
    }
    return found | ({"DEFAULT_FROM_EMAIL": sender} if sender else {})
