"""What judging a key costs, and that a full table changes nothing. One command:

    .venv/bin/python benchmarks/gate.py

Starts a private PostgreSQL, makes a database with 100 keys and a copy with 100,000, and prints what
it measured beside its budget. gate_pure.py drives the pure parts with replies that a real judgement
got; gate_cold.py reads snapshots, each time another key's, in turns on both.
"""

import argparse
import base64
import os
import secrets
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django
from django.core.management import call_command

from momentry.supervisor.engines import start_throwaway

FEW, MANY = 100, 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=MANY, help="rows of the full table")
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="momentry-bench-"))
    try:
        engines = start_throwaway(directory)
        try:
            measure(engines.database_url, engines.redis_url, given.keys)
        finally:
            engines.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def measure(database_url: str, redis_url: str, many: int) -> None:
    set_up(database_url, redis_url)
    # Both import models, which they may only from here on.
    import_module("gate_pure").measure()
    import_module("gate_cold").measure(database_url, FEW, many)


def set_up(database_url: str, redis_url: str) -> None:
    def key() -> str:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

    os.environ.update(
        DJANGO_SETTINGS_MODULE="momentry.settings",
        MOMENTRY_ENV="development",
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        SECRET_KEY=key(),
        ENCRYPTION_KEY=key(),
        API_KEY_PEPPERS=f"1:{key()}",
        ADMIN_TOKEN=key(),
        LOG_LEVEL="ERROR",
    )
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)


if __name__ == "__main__":
    main()
