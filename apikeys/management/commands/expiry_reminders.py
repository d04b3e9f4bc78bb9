"""manage.py expiry_reminders: owners are told that their keys are about to expire."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from apikeys.services.reminders import remind_of_expiry


class Command(BaseCommand):
    help = (
        "Record apikey:expiring of keys that end in 30, 14, 7 or 1 days, and write to their "
        "owners. Each threshold is told once. Safe to run twice and at once."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        count = remind_of_expiry(timezone.now(), actor="command")
        self.stdout.write(f"Reminded of {count} keys.")
