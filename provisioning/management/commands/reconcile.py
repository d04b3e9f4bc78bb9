"""manage.py reconcile: compare members with the systems around, and mend what drifted."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from provisioning.services.reconcile import RECONCILERS, Order, ReconcileError, chosen


class Command(BaseCommand):
    help = (
        "Compare members with other systems; without a system's name, with all that are "
        "configured. What drifted becomes due, and the relay mends it. Safe to run twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for each in RECONCILERS.values():
            parser.add_argument(f"--{each.name}", action="store_true", help=each.title)
        parser.add_argument("--dry-run", action="store_true", help="Only say what was found.")
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="Link accounts that were there before their members, keeping their homes.",
        )
        parser.add_argument("--site", default="", help="Only the WordPress with this URL.")
        parser.add_argument(
            "--delete-many", action="store_true", help="Also if more than half are gone there."
        )
        parser.add_argument(
            "--reset-sequences",
            action="store_true",
            help="WordPress's database was restored from a copy: take its next webhooks as newer.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        names = [name for name in RECONCILERS if options[name]]
        order = Order(
            is_dry=options["dry_run"],
            adopts=options["adopt"],
            site=options["site"],
            delete_many=options["delete_many"],
            reset_sequences=options["reset_sequences"],
        )
        found = chosen(*names)
        if not found:
            self.stdout.write("No system is configured.")
        for each in found:
            mended = 0
            try:
                for finding in each.run(order):
                    self.stdout.write(f"{each.name}: {finding}")
                    mended += finding.mended
            except ReconcileError as error:
                raise CommandError(f"{each.name}: {error}") from None
            verb = "Would mend" if order.is_dry else "Mended"
            self.stdout.write(f"{each.name}: {verb} {mended}.")
