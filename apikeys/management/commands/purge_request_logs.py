"""manage.py purge_request_logs: whole days of the request log go, after they are rolled up."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from django.utils import timezone

from apikeys.management.logexport import ENDS, LogExport
from apikeys.usage.purge import CLEANED, count_due, purge


class Command(BaseCommand):
    help = (
        "Drop the days of the request log that ended LOG_RETENTION_DAYS ago; their sums stay. "
        "Nobody waits for it. Safe to run twice and at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=days, default=settings.LOG_RETENTION_DAYS, metavar="N")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would go.")
        parser.add_argument(
            "--export", type=export_path, metavar="FILE", help=f"A new file: *{' or *'.join(ENDS)}."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        now, kept = timezone.now(), options["days"]
        if options["dry_run"]:
            return self.tell(now, kept)
        if options["export"] is None:
            gone = purge(now, kept)
        else:
            with LogExport(options["export"]) as export:
                gone = purge(now, kept, keep=export)
        return self.stdout.write(CLEANED % gone)

    def tell(self, now: datetime, kept: int) -> None:
        total = 0
        for table, rows in count_due(now, kept):
            total += rows
            self.stdout.write(f"{table.day} {rows}")
        self.stdout.write(f"Would clean up {total} old request logs")


def days(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 3650 and len(text) < 6:
        return int(text)
    raise ArgumentTypeError("is not a number of days from 1 to 3650")


def export_path(text: str) -> Path:
    if not text.endswith(ENDS):
        raise ArgumentTypeError(f"ends neither in {' nor in '.join(ENDS)}")
    return Path(text)
