"""What Django's own commands save of accounts, so that it is recorded in their transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save

from accounts.models import User
from events.kinds import Kind
from events.services import record

ACTOR = "command"


@contextmanager
def saved_users() -> Iterator[list[User]]:
    """In one transaction: all that is saved before its end."""
    found: list[User] = []

    def keep(instance: User, **_: Any) -> None:
        found.append(instance)

    post_save.connect(keep, sender=User)
    try:
        with transaction.atomic():
            yield found
    finally:
        post_save.disconnect(keep, sender=User)


def note(kind: Kind, user: User, **details: Any) -> None:
    record(kind, actor=ACTOR, subject=f"staff:{user.pk}", **details)
