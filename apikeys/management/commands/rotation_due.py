"""manage.py rotation_due: say of each key whose rotation is due that it is, once per due date."""

from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from apikeys.services.upkeep import require_rotations


class Command(BaseCommand):
    help = "Record apikey:rotation_required for keys whose rotation is due. Safe to run twice."

    def handle(self, *_: Any, **options: Any) -> None:
        count = require_rotations(timezone.now(), actor="command")
        self.stdout.write(f"Rotation required: {count} keys.")
