"""manage.py forget_file_events: forget what SFTPGo told more than a week ago."""

from typing import Any

from django.core.management import BaseCommand

from videos.services import filelog


class Command(BaseCommand):
    help = "Forget what SFTPGo told of files more than a week ago. Safe to run twice and at once."

    def handle(self, *_: Any, **options: Any) -> None:
        self.stdout.write(f"Forgot {filelog.forget()} file events.")
