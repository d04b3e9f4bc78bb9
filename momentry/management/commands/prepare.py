"""manage.py prepare: migrate under an advisory lock, make log partitions ahead, seed what is asked.

The first Site comes from WORDPRESS_URL and WORDPRESS_WEBHOOK_SECRET, the first upstreams from
UPSTREAMS, the endpoint for webhooks from WEBHOOK_URL. With MOMENTRY_ECHO_URL set (`up` does) a
demonstration is made too. The last line printed is one JSON object.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, call_command
from django.db import connection
from django.utils import timezone

from apikeys.models import Tier
from apikeys.usage.partitions import make_ahead
from momentry.common.env import Environment, fail
from momentry.seed import seed_demo, seed_site, seed_upstreams, seed_webhook

LOCK = 0x6D6F6D656E747279  # "momentry" in ASCII
PAUSE = 0.2


class Command(BaseCommand):
    help = "Migrate the database and make what a start needs; safe to run at once and again."

    def handle(self, *_: Any, **__: Any) -> None:
        env = Environment()
        with advisory_lock():
            call_command("migrate", interactive=False, verbosity=0)
            make_ahead(timezone.now().date())
            check_default_tier()
            seed_site(env)
            seed_upstreams(env)
            seed_webhook()
            seeded = seed_demo(env) if env.has("MOMENTRY_ECHO_URL") else {}
        self.stdout.write(json.dumps(seeded))


def check_default_tier() -> None:
    if not Tier.objects.filter(slug=settings.DEFAULT_TIER).exists():
        fail("DEFAULT_TIER", "names no tier.")


def is_ours(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
    return bool(cursor.fetchone()[0])


@contextmanager
def advisory_lock() -> Iterator[None]:
    """One migration at a time, whatever the number of machines that start. Asked for again and
    again: an index that is built concurrently waits for every statement that runs, and one that
    waits for this lock would run for as long."""
    with connection.cursor() as cursor:
        while not is_ours(cursor):
            time.sleep(PAUSE)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
