"""manage.py expired_keys: that keys reached their end is recorded."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from apikeys.services.expiry import tell_expired


class Command(BaseCommand):
    help = "Record apikey:expired of keys that ended since, once for each end. Safe at once."

    def handle(self, *_: Any, **__: Any) -> None:
        count = tell_expired(timezone.now(), actor="command")
        self.stdout.write(f"Told that {count} keys expired.")
