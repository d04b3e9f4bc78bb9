"""`check_encryption`: opens every encrypted value; exit code 1 if one does not open."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from momentry.common.crypto import report, rotation
from momentry.common.crypto.keyring import get_ring


class Command(BaseCommand):
    help = "Open every encrypted value, count them per key, and name the rows that do not open."
    requires_system_checks: list[str] = []  # it needs the models and the key ring, no pages

    def handle(self, *_args: Any, **_options: Any) -> None:
        tally = rotation.check(report.progress_to(self.stderr.write))
        checked = tally.keys.total()

        for line in (*report.keys(tally, get_ring()), *report.failures(tally)):
            self.stdout.write(line)
        if tally.failures:
            raise CommandError(f"{len(tally.failures)} of {checked} values do not open.")
        self.stdout.write(f"All {checked} encrypted values open.")
