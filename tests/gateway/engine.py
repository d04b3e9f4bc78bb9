"""A PostgreSQL of a test's own, which may be stopped, killed and started again under a gateway."""

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection
from psycopg.conninfo import conninfo_to_dict
from pytest_django.plugin import DjangoDbBlocker

from momentry.supervisor.child import stop_together
from momentry.supervisor.engines import wait_until_ready
from momentry.supervisor.postgres import Options, Postgres
from tests import make
from tests.gateway.conftest import Database

CONNECTIONS = 100
PLACE = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}


class Engine:
    """Keeps what it has committed, whoever kills it."""

    def __init__(self, place: Path) -> None:
        place.mkdir(exist_ok=True)
        options = Options("throwaway", CONNECTIONS)
        self.postgres = Postgres(place / "data", place, place / "log", options)
        self.start()

    @property
    def pid(self) -> int:
        return self.postgres.child.pid

    def start(self) -> None:
        self.postgres.start()
        wait_until_ready([self.postgres])

    def stop(self) -> None:
        """As an operator does it: connections are ended, data is written."""
        stop_together([self.postgres.child])

    def kill(self) -> None:
        self.postgres.child.kill()

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """To the postmaster first, so that nothing new is made meanwhile; some may just end."""
        os.kill(self.pid, number)
        for pid in children(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@contextmanager
def copied(directory: Path, migrated_files: Path) -> Iterator[Engine]:
    place = directory / uuid.uuid4().hex[:6]
    place.mkdir()
    shutil.copytree(migrated_files, place / "data")
    made = Engine(place)
    try:
        yield made
    finally:
        if made.postgres.child.alive():
            made.thaw()
        made.kill()


class OwnDatabase(Database):
    """An engine's; upstreams and keys are made as in the other one."""

    def __init__(self, blocker: DjangoDbBlocker, url: str) -> None:
        self.blocker = blocker
        self.conninfo = self.url = url
        values: dict[str, Any] = conninfo_to_dict(url)
        self.place = {name: values.get(word, "") for name, word in PLACE.items()}

    def migrate(self) -> None:
        with self.rows():
            call_command("migrate", verbosity=0)

    @contextmanager
    def rows(self) -> Iterator[None]:
        with self.blocker.unblock():
            before = {name: connection.settings_dict[name] for name in PLACE}
            lead(self.place)
            try:
                yield
            finally:
                lead(before)

    def upstream(self, slug: str, port: int) -> None:
        with self.rows():
            make.upstream(slug, f"http://127.0.0.1:{port}")


def lead(place: dict[str, Any]) -> None:
    """Django's connection leads there from now on."""
    connection.close()
    connection.close_pool()
    connection.settings_dict |= place


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]
