"""manage.py hash_files: read the files under SFTPGO_DATA_ROOT that have no digest yet."""

import math
from typing import Any

from django.core.management import BaseCommand

from videos.services import hashing


class Command(BaseCommand):
    help = (
        "Read files that wait for their digest, one at a time in all processes. Safe to run twice."
    )

    def handle(self, *_: Any, **options: Any) -> None:
        self.stdout.write(f"Read {hashing.read_waiting(math.inf)} files.")
