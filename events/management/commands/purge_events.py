"""manage.py purge_events: events that are older than EVENT_RETENTION_DAYS go."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, Final

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from events.chain.retention import count_due, purge_events
from events.chain.state import BrokenError, UnprovableError

MOST: Final = 3650


class Command(BaseCommand):
    help = (
        "Let go events that are older than EVENT_RETENTION_DAYS; what stays is proved as before."
        " Safe to run twice and at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=days, default=settings.EVENT_RETENTION_DAYS, metavar="N")
        parser.add_argument("--dry-run", action="store_true", help="Only say how many would go.")

    def handle(self, *_: Any, **options: Any) -> None:
        now, kept = timezone.now(), options["days"]
        try:
            if options["dry_run"]:
                self.stdout.write(f"Would purge {count_due(now, kept)} events.")
                return
            gone = purge_events(now, kept, actor="command")
        except (BrokenError, UnprovableError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Purged {gone} events.")


def days(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST:
        return int(text)
    raise ArgumentTypeError(f"is not a number of days from 1 to {MOST}")
