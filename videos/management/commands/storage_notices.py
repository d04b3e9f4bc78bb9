"""manage.py storage_notices: members are told that their storage is filling up."""

from typing import Any

from django.core.management import BaseCommand

from videos.services.notices import notify_storage


class Command(BaseCommand):
    help = (
        "Record quota:80, quota:95 and quota:100 of members who crossed these shares of their "
        "storage quota, and write to the active ones. Each crossing is told once. Safe to run "
        "twice and at once."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(f"Told {notify_storage(actor='command')} members of their storage.")
