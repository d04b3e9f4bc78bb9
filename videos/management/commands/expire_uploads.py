"""manage.py expire_uploads: end upload sessions whose time is over."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from videos.services import uploads


class Command(BaseCommand):
    help = (
        "Give the room back that was kept for files which did not come within UPLOAD_TTL_SECONDS. "
        "The worker does it each minute; this is for where none runs."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(f"Expired {uploads.expire(timezone.now())} uploads.")
