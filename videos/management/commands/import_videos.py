"""manage.py import_videos: register the files under SFTPGO_DATA_ROOT that nobody registered."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management import BaseCommand, CommandError

from videos.services.importing import import_files


class Command(BaseCommand):
    help = (
        "Register files under SFTPGO_DATA_ROOT that nobody registered: for the member in whose "
        "home they are, else for nobody. Quotas are told, not kept. Safe to run twice and at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be done.")

    def handle(self, *_: Any, **options: Any) -> None:
        found: Counter[str] = Counter()
        try:
            for each in import_files(is_dry=options["dry_run"]):
                found[each.what] += 1
                if each.what != "known":
                    self.stdout.write(f"{each.what}: {each.location}")
        except ValueError as error:
            raise CommandError(f"{error}.") from None
        told = ", ".join(f"{count} {what}" for what, count in sorted(found.items()))
        self.stdout.write(f"{'Would be' if options['dry_run'] else 'Done'}: {told or 'no files'}.")
