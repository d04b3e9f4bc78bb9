"""manage.py changepassword: Django's, with an event in the same transaction."""

from typing import Any

from django.contrib.auth.management.commands import changepassword

from accounts.management.saved import note, saved_users
from events.kinds import Kind


class Command(changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        with saved_users() as users:
            said: str | None = super().handle(*args, **options)
            for user in users:
                note(Kind.STAFF_PASSWORD_CHANGED, user)
        return said
