"""manage.py staff_alerts: staff are told of events that need them."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from momentry.alerts import tell_staff


class Command(BaseCommand):
    help = (
        "Write one letter to staff about what needs them since the last one: dead provisioning, "
        "broken tokens, keys that leaked. At most one in half an hour. Safe at once."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(f"Told staff of {tell_staff(timezone.now())} events.")
