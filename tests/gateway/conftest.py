"""Two gateway processes on a real database, between scripted clients, upstreams and a Django."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from apikeys.models import Grant
from tests import make
from tests.gateway.processes import Gateway, environment
from tests.gateway.wire import Server, tcp_server, unix_server

Start = Callable[..., Gateway]


class Database:
    """A database of the gateway's tests alone: processes read it, so nothing can be rolled back."""

    def __init__(self, blocker: DjangoDbBlocker, name: str) -> None:
        self.blocker = blocker
        self.name = name
        settings = connection.settings_dict
        values = {"user": settings["USER"], "password": settings["PASSWORD"], "dbname": name}
        values |= {"host": settings["HOST"], "port": settings["PORT"]}
        self.conninfo = psycopg.conninfo.make_conninfo(**{k: v for k, v in values.items() if v})
        user = f"{settings['USER']}:{settings['PASSWORD']}"
        host = settings["HOST"]
        self.url = (
            f"postgresql://{user}@/{name}?host={host}&port={settings['PORT'] or 5432}"
            if host.startswith("/")
            else f"postgresql://{user}@{host}:{settings['PORT'] or 5432}/{name}"
        )

    @contextmanager
    def rows(self) -> Iterator[None]:
        """Django's connection leads here: for rows made through the services."""
        with self.blocker.unblock():
            before = connection.settings_dict["NAME"]
            switch(self.name)
            try:
                yield
            finally:
                switch(before)

    def key_for(self, username: str, upstreams: str, *, monthly: int | None = None) -> str:
        """The key of a new member who may call these upstreams."""
        with self.rows():
            slug = f"tier-{username}"
            make.tier(slug, requests_per_month=monthly)
            member = make.member(username, tier=slug)
            for name in upstreams.split():
                Grant.objects.create(member=member, upstream=name)
            return make.key(member).secret

    def fetch(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as direct:
            return direct.execute(statement, values).fetchall()

    def execute(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.conninfo, autocommit=True) as direct:
            direct.execute(statement, values)


def switch(name: str) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = name


@pytest.fixture(scope="session")
def database(django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    made = Database(django_db_blocker, f"gateway_{os.getpid()}")
    server = Database(django_db_blocker, "postgres")
    server.execute(f'CREATE DATABASE "{made.name}"')
    try:
        with made.rows():
            call_command("migrate", verbosity=0)
        yield made
    finally:
        server.execute(f'DROP DATABASE "{made.name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """Short: a unix socket's path ends at 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="gw-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def upstream() -> Iterator[Server]:
    server = tcp_server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def django(directory: Path) -> Iterator[Server]:
    """Stands where Django's socket is; the bytes are what matters here."""
    server = unix_server(str(directory / "django.sock"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def seeded(database: Database, upstream: Server) -> str:
    """Upstreams and alice's key, which may call them all."""
    base = f"http://127.0.0.1:{upstream.port}"
    with database.rows():
        make.upstream("echo", base, credential="upstream-secret-1", injection="header")
        make.upstream("based", f"{base}/base/path/")
        make.upstream("query", base, credential="s3 cret&", injection="query", injection_name="k")
        make.upstream("dead", "http://127.0.0.1:9")
        make.upstream("quick", base, first_byte_timeout_ms=400, idle_timeout_ms=400)
        make.upstream("brief", base, total_timeout_ms=700)
        make.upstream("small", base, max_body_bytes=10)
        make.upstream("off", base, is_active=False)
    return database.key_for("alice", "echo based query dead quick brief small off gone")


@pytest.fixture(scope="session")
def key(seeded: str) -> str:
    return seeded


@pytest.fixture
def start(database: Database, directory: Path, django: Server) -> Iterator[Start]:
    """Starts a gateway of the test's own; keyword arguments are its environment."""
    started: list[Gateway] = []

    def begin(workers: int = 1, **given: str) -> Gateway:
        values = {"DATABASE_URL": database.url, "DJANGO_SOCKET": str(directory / "django.sock")}
        gateway = Gateway(environment(**values | given), workers)
        started.append(gateway)
        return gateway

    yield begin
    for gateway in started:
        gateway.close_wires()
        gateway.kill()


@pytest.fixture(scope="session")
def running(database: Database, directory: Path, django: Server, seeded: str) -> Iterator[Gateway]:
    """One for all tests that only talk to it; at the end it must have met no defect."""
    socket_path = str(directory / "django.sock")
    values = {"DATABASE_URL": database.url, "DJANGO_SOCKET": socket_path, "MOMENTRY_NONCE": "n1"}
    made = Gateway(environment(**values), workers=2)
    try:
        yield made.wait_until_ready()
        assert made.stop() == 0
        assert made.errors() == []
    finally:
        made.kill()


@pytest.fixture
def gateway(running: Gateway, upstream: Server, django: Server) -> Iterator[Gateway]:
    """No connection is kept for the next test: its POST could meet the other end's close (502)."""
    yield running
    running.close_wires()
    upstream.close_all()
    django.close_all()
    time.sleep(0.1)
