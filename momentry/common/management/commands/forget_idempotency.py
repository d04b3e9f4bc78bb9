"""manage.py forget_idempotency: what the task of that name does, at once."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from momentry.common.forgetting import forget_idempotency


class Command(BaseCommand):
    help = forget_idempotency.__doc__ or ""

    def handle(self, *_: Any, **options: Any) -> None:
        self.stdout.write(f"Forgot {forget_idempotency(timezone.now())} answers.")
