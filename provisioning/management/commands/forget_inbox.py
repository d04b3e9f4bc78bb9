"""manage.py forget_inbox: what the task of that name does, at once."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from provisioning.services.expiry import forget_inbox


class Command(BaseCommand):
    help = forget_inbox.__doc__ or ""

    def handle(self, *_: Any, **options: Any) -> None:
        self.stdout.write(f"Forgot {forget_inbox(timezone.now())} inbox rows.")
