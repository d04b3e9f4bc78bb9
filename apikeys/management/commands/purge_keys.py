"""manage.py purge_keys: keys that ended KEY_PURGE_DAYS ago become tombstones."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from django.utils import timezone

from apikeys.services.upkeep import purge_keys, purgeable


class Command(BaseCommand):
    help = (
        "Blank keys that were revoked, quarantined or expired KEY_PURGE_DAYS ago. Id, owner, type "
        "and times stay. Safe to run twice and at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say what would go.")

    def handle(self, *_: Any, **options: Any) -> None:
        now, age = timezone.now(), settings.KEY_PURGE_AFTER
        if options["dry_run"]:
            rows = purgeable(now, age).order_by("pk")
            for key in rows.only("id", "name", "key_prefix").iterator():
                self.stdout.write(f"{key.pk} {key}")
            self.stdout.write(f"Would purge {rows.count()} keys.")
            return
        self.stdout.write(f"Purged {purge_keys(now, age, actor='command')} keys.")
