"""manage.py createsuperuser: Django's, with an event in the same transaction."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from accounts.management.saved import note, saved_users
from events.kinds import Kind


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with saved_users() as users:
            super().handle(*args, **options)
            for user in users:
                note(Kind.STAFF_CREATED, user, name=user.username)
