"""manage.py purge_holds: forget which holds were settled, a day after their end."""

from typing import Any

from django.core.management import BaseCommand

from apikeys.services.holds import purge_holds


class Command(BaseCommand):
    help = "Forget settled holds that ended a day ago. Safe to run twice and at once."

    def handle(self, *_: Any, **options: Any) -> None:
        self.stdout.write(f"Purged {purge_holds()} holds.")
