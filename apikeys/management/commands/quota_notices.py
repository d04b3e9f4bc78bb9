"""manage.py quota_notices: who has nearly used up a limit is told."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from apikeys.services.quotanotices import notify_limits


class Command(BaseCommand):
    help = (
        "Record limit:80, limit:95 and limit:100 of members and keys that used as much of a limit "
        "on requests, tokens or cost, and write to the members. Each is told once in a period. "
        "Safe to run twice and at once."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        count = notify_limits(timezone.now(), actor="command")
        self.stdout.write(f"Told of the limits of {count} members and keys.")
