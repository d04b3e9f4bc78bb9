"""What staff do with their own account, and what others try with it: each an event."""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest

from accounts.models import LIVE, User
from events import refusals
from events.kinds import Kind
from events.services import record

LONGEST_NAME: Final = 60  # of User.username; no longer one is anybody's
ADDRESS_LENGTH, AGENT_LENGTH = 45, 256
THROTTLED: Final = "login_throttled"
UNKNOWN: Final = "login_failed"


def note_login(request: HttpRequest) -> None:
    """In the transaction of the log-in: one that cannot be recorded is none."""
    actor = f"staff:{request.user.pk}"
    record(Kind.STAFF_LOGGED_IN, actor=actor, subject=actor, **by(request))


def note_logout(user: User, request: HttpRequest) -> None:
    actor = f"staff:{user.pk}"
    record(Kind.STAFF_LOGGED_OUT, actor=actor, subject=actor, **by(request))


@transaction.atomic
def note_failure(request: HttpRequest, name: str) -> None:
    """Of an account that there is, an event each: caps keep them few. What else was typed is told
    with the other refusals, and is kept nowhere: it may be a password."""
    user = staff_named(name)
    if user is None:
        refusals.note(UNKNOWN, address=address_of(request))
        return
    subject = f"staff:{user.pk}"
    record(Kind.STAFF_LOGIN_FAILED, actor=refusals.ANONYMOUS, subject=subject, **by(request))


def note_throttled(request: HttpRequest) -> None:
    refusals.note(THROTTLED, address=address_of(request))


def note_password(user: User, request: HttpRequest) -> None:
    """Theirs is another now, by themselves or by a superuser."""
    actor, subject = f"staff:{request.user.pk}", f"staff:{user.pk}"
    record(Kind.STAFF_PASSWORD_CHANGED, actor=actor, subject=subject, **by(request))


@contextmanager
def watched_password(user: User, request: HttpRequest) -> Iterator[None]:
    """A page that may change it."""
    with transaction.atomic():
        yield
        if User.objects.values_list("password", flat=True).get(pk=user.pk) != user.password:
            note_password(user, request)


def staff_named(name: str) -> User | None:
    """As the log-in form reads names."""
    name = unicodedata.normalize("NFKC", name.strip())
    if not 0 < len(name) <= LONGEST_NAME or "\0" in name:
        return None
    return User.objects.filter(username__iexact=name, status__in=LIVE, is_staff=True).first()


def by(request: HttpRequest) -> dict[str, Any]:
    agent = request.headers.get("User-Agent", "")
    return {"address": address_of(request), "user_agent": agent[:AGENT_LENGTH]}


def address_of(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))[:ADDRESS_LENGTH]
