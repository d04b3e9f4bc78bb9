"""manage.py make_log_partitions: the request log's tables of the days to come."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from apikeys.usage.partitions import make_ahead


class Command(BaseCommand):
    help = "Make the request log's tables for today and a week ahead. Safe to run twice."

    def handle(self, *_: Any, **options: Any) -> None:
        made = make_ahead(timezone.now().date())
        self.stdout.write(f"Made {made} log partitions.")
