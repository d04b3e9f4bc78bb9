"""manage.py detect_anomalies: look for hours of keys that are unusual for them."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from apikeys.anomalies.detect import detect
from momentry.common.fence.wait import wait


class Command(BaseCommand):
    help = "Look for unusual hours of keys (docs/anomalies.md). Safe to run twice and at once."

    def handle(self, *_: Any, **options: Any) -> None:
        count = detect(timezone.now(), actor="command")
        wait()  # when this returns, no gateway admits what it ended
        self.stdout.write(f"Found {count} anomalies.")
