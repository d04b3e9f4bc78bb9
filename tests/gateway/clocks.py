"""Clocks that tests move (libfaketime), and a PostgreSQL that lives by one.

A process under a Clock reads the file of its offset each time it asks what time it is. What
measures durations is left alone: no system's monotonic clock ever steps.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from momentry.supervisor.engines import wait_until_ready
from momentry.supervisor.postgres import NAME, Options, Postgres
from tests import make
from tests.gateway.conftest import Database

PASSWORD = "a throw-away database's own"


def library() -> str:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "These tests move clocks: apt-get install faketime"
    return str(found[0])


class Clock:
    """``offset``: seconds that it is ahead of this machine's."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.offset = 0.0
        self.step(0.0)

    def step(self, offset: float) -> None:
        self.offset = offset
        draft = self.file.with_suffix(".new")  # nobody must read half of it
        draft.write_text(f"{offset:+.6f}\n", encoding="ascii")
        draft.chmod(0o644)
        draft.rename(self.file)

    def set(self, moment: datetime) -> None:
        self.step(moment.timestamp() - time.time())

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.offset, UTC)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


class MovedDatabase(Database):
    """As Database, on a PostgreSQL of its own that lives by ``clock``."""

    def __init__(self, blocker: DjangoDbBlocker, postgres: Postgres, clock: Clock) -> None:
        self.blocker = blocker
        self.name = NAME
        self.url = self.conninfo = postgres.url
        self.clock = clock
        self.place = {"HOST": str(postgres.sockets), "PORT": "", "USER": NAME, "NAME": NAME}
        self.place["PASSWORD"] = PASSWORD

    @contextmanager
    def rows(self) -> Iterator[None]:
        before = {name: connection.settings_dict[name] for name in self.place}
        with self.blocker.unblock():
            forget()
            connection.settings_dict.update(self.place)
            try:
                yield
            finally:
                forget()
                connection.settings_dict.update(before)

    def move(self, moment: datetime, processes: int) -> None:
        """It is this moment there, and the processes of its gateways know it."""
        self.clock.set(moment)
        self.execute("DELETE FROM common_fenceprocess")  # what lived at another time
        end = time.monotonic() + 10
        while self.fetch("SELECT count(*) FROM common_fenceprocess") != [(processes,)]:
            assert time.monotonic() < end
            time.sleep(0.01)


def forget() -> None:
    connection.close()
    connection.close_pool()


@contextmanager
def moved_database(
    blocker: DjangoDbBlocker, directory: Path, upstream_port: int
) -> Iterator[MovedDatabase]:
    """Migrated, with the upstream ``echo``."""
    directory.mkdir(mode=0o700)
    clock = Clock(directory / "offset")
    options = Options(PASSWORD, 100, durable=False, environment=clock.environment)
    postgres = Postgres(directory / "data", directory, directory / "log", options)
    try:
        postgres.start()
        wait_until_ready([postgres])
        database = MovedDatabase(blocker, postgres, clock)
        with database.rows():
            call_command("migrate", verbosity=0)
            make.upstream("echo", f"http://127.0.0.1:{upstream_port}")
        yield database
    finally:
        postgres.child.kill()
