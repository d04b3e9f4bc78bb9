"""manage.py storage_recount: members' bytes against their videos, and against what others count."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from videos.services.recount import COMPARISONS, UnknownError, recount


class Command(BaseCommand):
    help = (
        "Compare the bytes kept for each member with the sum of their videos and open uploads, and "
        "set right what drifted; say where SFTPGo counts otherwise. Safe under load, and twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say what drifted.")

    def handle(self, *_: Any, **options: Any) -> None:
        is_dry, found = options["dry_run"], 0
        for found, drift in enumerate(recount(actor="command", is_dry=is_dry), 1):  # noqa: B007
            self.stdout.write(str(drift))
        self.stdout.write(f"{'Would set' if is_dry else 'Set'} {found} members right.")
        for name, compare in COMPARISONS.items():
            try:
                for difference in compare():
                    self.stdout.write(f"{name}: {difference}")
            except UnknownError as error:
                self.stderr.write(f"{name}: {error}")
