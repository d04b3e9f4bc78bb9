"""`rotate_encryption`: seals every value under the newest key; safe under load and after a kill."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from momentry.common.crypto import report, rotation
from momentry.common.crypto.keyring import get_ring

DONE = (
    "Nothing is sealed under an older key. When every process runs with the new ENCRYPTION_KEY,"
    " no kept backup needs the older keys and check_encryption counts 0 values for them,"
    " they may be removed."
)
NOT_DONE = "values are not under the newest key: keep the older keys and run this again."


class Command(BaseCommand):
    help = "Seal every encrypted value under the first key of ENCRYPTION_KEY."
    requires_system_checks: list[str] = []  # it needs the models and the key ring, no pages

    def handle(self, *_args: Any, **_options: Any) -> None:
        tally = rotation.rotate(report.progress_to(self.stderr.write))
        left = tally.keys.total()

        self.stdout.write(f"Sealed {tally.sealed} values under key {get_ring().newest}.")
        if left:
            for line in (*report.keys(tally, get_ring()), *report.failures(tally)):
                self.stdout.write(line)
            raise CommandError(f"{left} {NOT_DONE}")
        self.stdout.write(DONE)
