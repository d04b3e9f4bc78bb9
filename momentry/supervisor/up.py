"""``manage.py up``: everything of one machine under one small supervisor."""

import argparse
import os
import resource
import sys
import time
from pathlib import Path
from typing import Final

from momentry.supervisor.datadir import DataDirectory
from momentry.supervisor.errors import CannotStartError, StoppedError
from momentry.supervisor.network import demand_free
from momentry.supervisor.places import ROOT
from momentry.supervisor.plan import STOP_ORDER
from momentry.supervisor.restart import Restarter
from momentry.supervisor.signals import Signals
from momentry.supervisor.start import Start
from momentry.supervisor.supervise import Supervisor

WORKERS_LIMIT: Final = 64


def main(argv: list[str]) -> int:
    """0 when asked to stop, 1 when something could not start or PostgreSQL or Valkey ended."""
    began = time.monotonic()
    options = arguments(argv)
    raise_limits()
    data = DataDirectory(options.data_dir.resolve())
    data.hold(options.port)
    demand_free(os.environ.get("BIND") or "127.0.0.1", options.port)
    signals = Signals()
    supervisor = Supervisor(signals, say)
    start = Start(options.port, options.workers, data, supervisor)
    try:
        words = start.run(began)
        restarter = Restarter(start, supervisor)
        print(words, flush=True)
        return supervisor.run(restarter.serve)
    except StoppedError:
        return 0
    except CannotStartError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"Starting failed on {error.filename or data.path}: {error.strerror or error}.")
        return 1
    finally:
        supervisor.stop(STOP_ORDER)
        start.clean()
        say("momentry stopped")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py up",
        description="Start PostgreSQL, Valkey, the gateway, Django, the relay and the worker. "
        "DATABASE_URL and REDIS_URL point to servers of your own.",
    )
    parser.add_argument(
        "--port", type=number(1, 65_535), default=number(1, 65_535)(os.environ.get("PORT", "3002"))
    )
    parser.add_argument("--workers", type=number(1, WORKERS_LIMIT), default=1)
    parser.add_argument("--data-dir", type=Path, default=ROOT / "var")
    return parser.parse_args(argv)


class number:  # noqa: N801 reads as a type in argparse's messages
    """A whole number from ``low`` to ``high``."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high

    def __call__(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and self.low <= int(text) <= self.high):
            raise argparse.ArgumentTypeError(f"must be a number from {self.low} to {self.high}")
        return int(text)


def raise_limits() -> None:
    """As many descriptors as the system grants; no core dumps, which would hold secrets."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return  # macOS refuses "unlimited"; its default will do
