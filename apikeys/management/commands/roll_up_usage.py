"""manage.py roll_up_usage: sum the request log by hour and day."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from apikeys.usage.rollup import roll_up, roll_up_all


class Command(BaseCommand):
    help = "Sum the hours of the request log that are over. Safe to run twice and at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help="Look for rows that came late on older days too."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        work = roll_up_all if options["all"] else roll_up
        self.stdout.write(f"Rolled up {work(timezone.now())} hours.")
