"""`generate_secret`: prints a new secret for one setting; reads no setting itself."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from momentry.common.crypto import generate


class Command(BaseCommand):
    help = "Print a new secret for one setting."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        generate.add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        self.stdout.write(generate.generate(options["kind"], number=options["number"]))
