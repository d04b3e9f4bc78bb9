"""manage.py purge_mails: letters that ended long ago leave the outbox."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from django.utils import timezone

from events.retention import purge_mails


class Command(BaseCommand):
    help = (
        "Delete letters that were sent, failed or withheld and are older than MAIL_RETENTION_DAYS."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        count = purge_mails(timezone.now(), settings.MAIL_RETENTION)
        self.stdout.write(f"Purged {count} letters.")
