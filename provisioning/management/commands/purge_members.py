"""manage.py purge_members: members deleted MEMBER_PURGE_DAYS ago become tombstones."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from django.utils import timezone

from provisioning.services.members import purge_members, purgeable


class Command(BaseCommand):
    help = (
        "Erase the personal data of members who were deleted MEMBER_PURGE_DAYS ago. The WordPress "
        "user, the SFTPGo name and times stay. Safe to run twice and at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say who would go.")

    def handle(self, *_: Any, **options: Any) -> None:
        now, age = timezone.now(), settings.MEMBER_PURGE_AFTER
        if options["dry_run"]:
            rows = purgeable(now, age).order_by("pk")
            for member in rows.only("id", "username").iterator():
                self.stdout.write(f"{member.pk} {member}")
            self.stdout.write(f"Would purge {rows.count()} members.")
            return
        self.stdout.write(f"Purged {purge_members(now, age, actor='command')} members.")
