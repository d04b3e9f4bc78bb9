"""``manage.py event_schemas``: what the details of each kind hold, as one JSON Schema document."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from events.schemas import document


class Command(BaseCommand):
    help = "Print the schemas of all events' details, as in docs/events.schema.json."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(document(), indent=1))
