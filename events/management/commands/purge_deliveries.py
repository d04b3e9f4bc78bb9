"""manage.py purge_deliveries: webhook deliveries that are long over go."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from events.webhooks import upkeep


class Command(BaseCommand):
    help = (
        "Remove webhook deliveries of DELIVERY_RETENTION_DAYS ago. What waits for an active "
        "endpoint stays. Safe to run twice and at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = settings.DELIVERY_RETENTION.days
        parser.add_argument("--days", type=int, default=usual, metavar="N")
        parser.add_argument("--dry-run", action="store_true", help="Only say how many would go.")

    def handle(self, *_: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= 3650:
            raise CommandError("--days is a number from 1 to 3650.")
        now, after = timezone.now(), timedelta(days=options["days"])
        if options["dry_run"]:
            self.stdout.write(f"Would purge {upkeep.count_due(now, after)} webhook deliveries.")
        else:
            self.stdout.write(f"Purged {upkeep.purge_deliveries(now, after)} webhook deliveries.")
