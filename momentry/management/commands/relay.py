"""manage.py relay: sends what is in the outboxes; needs the database, not Valkey."""

import asyncio
from typing import Any

from django.core.management import BaseCommand

from momentry.relay import run


class Command(BaseCommand):
    help = "Deliver the outboxes (mail) until told to stop."

    def handle(self, *_: Any, **__: Any) -> None:
        asyncio.run(run())
