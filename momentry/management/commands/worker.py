"""manage.py worker: the Celery worker, with beat inside unless told otherwise."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from momentry.celery import app


class Command(BaseCommand):
    help = "Run scheduled work. Exactly one process runs with beat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--concurrency", type=int, default=2, help="Threads (2).")
        parser.add_argument("--no-beat", action="store_true", help="Work, but schedule nothing.")

    def handle(self, *_: Any, **options: Any) -> None:
        threads = str(options["concurrency"])
        words = ["worker", "--pool", "threads", "--concurrency", threads, "--loglevel", "INFO"]
        words += ["--include", "momentry.lifeline"]
        words += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        app.worker_main(words if options["no_beat"] else [*words, "-B"])
