"""manage.py staff_digest: the last week in numbers, to staff."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from momentry.digest import send_digest


class Command(BaseCommand):
    help = "Write the digest of the last whole week to staff, unless that was done. Safe at once."

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(f"Wrote {send_digest(timezone.now())} digests.")
