"""manage.py worker: the Celery worker, with beat inside unless told otherwise."""

import logging
import signal
import sys
import time
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management import BaseCommand
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from momentry.celery import app
from momentry.common.health import unapplied
from momentry.common.logs import configure

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0


class Command(BaseCommand):
    help = "Run scheduled work. Several may run, each with beat or without."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--concurrency", type=int, default=2, help="Threads (2).")
        parser.add_argument("--no-beat", action="store_true", help="Work, but schedule nothing.")

    def handle(self, *_: Any, **options: Any) -> None:
        configure("worker")
        wait_until_migrated()
        threads = str(options["concurrency"])
        words = ["worker", "--pool", "threads", "--concurrency", threads, "--loglevel", "INFO"]
        words += ["--include", "momentry.lifeline"]
        words += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        app.worker_main(words if options["no_beat"] else [*words, "-B"])


def wait_until_migrated() -> None:
    """Beat writes and reads its schedule once, at its start; where that fails it ends, and Celery's
    worker goes on without it. SIGTERM ends the wait."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    told = ""
    while (missing := what_is_missing()) != "":
        if missing != told:
            logger.warning("the worker waits: %s", missing)
            told = missing
        time.sleep(POLL_SECONDS)


def what_is_missing() -> str:
    try:
        waiting = unapplied()
    except DatabaseError:
        return "the database does not answer"
    finally:
        forget_connections()
    return f"{waiting} migrations are not applied" if waiting else ""


def forget_connections() -> None:
    """Beat is a fork of this process: the threads of a pool would not be there."""
    connection = connections[DEFAULT_DB_ALIAS]
    connection.close()
    if isinstance(connection, DatabaseWrapper):
        connection.close_pool()
