"""manage.py purge_videos: videos deleted VIDEO_PURGE_DAYS ago go for good."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from videos.services.purge import purge_videos, purgeable

LONGEST: Final = 3650


class Command(BaseCommand):
    help = (
        "Remove videos that were deleted VIDEO_PURGE_DAYS ago, and their files where "
        "SFTPGO_DATA_ROOT shows them. Safe to run twice and at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, help="Instead of VIDEO_PURGE_DAYS; from 1.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would go.")

    def handle(self, *_: Any, **options: Any) -> None:
        now, age = timezone.now(), age_of(options["days"])
        if not options["dry_run"]:
            self.stdout.write(f"Purged {purge_videos(now, age, actor='command')} videos.")
            return
        rows = purgeable(now, age).order_by("pk")
        for video in rows.only("id", "path").iterator():
            self.stdout.write(f"{video.pk} {video.path}")
        self.stdout.write(f"Would purge {rows.count()} videos.")


def age_of(days: int | None) -> timedelta:
    """One that is longer than VIDEO_PURGE_DAYS keeps what can be restored no more; a shorter one
    takes what still could."""
    if days is None:
        found: timedelta = settings.VIDEO_PURGE_AFTER
        return found
    if not 1 <= days <= LONGEST:
        raise CommandError(f"--days must be between 1 and {LONGEST}.")
    return timedelta(days=days)
