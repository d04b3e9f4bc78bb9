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
from momentry.common.fence import sql as fence
from tests import make
from tests.gateway.processes import Gateway, environment
from tests.gateway.wire import Server, tcp_server, unix_server
from tests.gateway.wiretap import Wiretap

Start = Callable[..., Gateway]
ACTIVITY = """
SELECT datname, pid, backend_type, state, wait_event_type, wait_event, now() - state_change,
  left(query, 80)
FROM pg_stat_activity WHERE state IS DISTINCT FROM 'idle'"""


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
        if self.fetch("SELECT to_regclass('common_fence')::text") != [(None,)]:
            self.settle()

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

    def settle(self) -> None:
        """Until every gateway that runs has followed what was changed."""
        ((generation, _),) = self.fetch(fence.LOOK)
        behind = fence.BEHIND.replace("%(generation)s", "%s")
        while self.fetch(behind, generation) != [(0,)]:
            time.sleep(0.005)

    def change(self, statement: str, *values: object) -> None:
        """As a service does it: done when every gateway has followed."""
        self.execute(statement, *values)
        self.settle()

    def execute(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.conninfo, autocommit=True) as direct:
            direct.execute(statement, values)


def switch(name: str) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = name


@contextmanager
def migrated_database(blocker: DjangoDbBlocker) -> Iterator[Database]:
    """For copies: nobody may be connected to it."""
    with created(blocker, "migrated") as made:
        with made.rows():
            call_command("migrate", verbosity=0)
        yield made


@contextmanager
def own_database(migrated: Database, name: str) -> Iterator[Database]:
    """A copy of that one, which takes a tenth of the time; it goes at the end. The fence of a
    gateway that is led from one copy to another would not tell them apart: no test does so."""
    with created(migrated.blocker, name, f'TEMPLATE "{migrated.name}"') as made:
        yield made


@contextmanager
def created(blocker: DjangoDbBlocker, name: str, how: str = "") -> Iterator[Database]:
    """Of this test process."""
    made = Database(blocker, f"{name}_{os.getpid()}")
    server = Database(blocker, "postgres")
    server.execute(f'CREATE DATABASE "{made.name}" {how}')
    try:
        yield made
    finally:
        drop(server, made.name)


def drop(server: Database, name: str) -> None:
    """Waits for every process of the cluster: says which, if one of them answers nobody."""
    options = "-c statement_timeout=60s"
    with psycopg.connect(server.conninfo, autocommit=True, options=options) as direct:
        try:
            direct.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        except psycopg.errors.QueryCanceled as late:
            raise RuntimeError(direct.execute(ACTIVITY).fetchall()) from late


@pytest.fixture(scope="session")
def database(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "gateway") as made:
        yield made


@pytest.fixture
def tap(database: Database) -> Iterator[Wiretap]:
    """Between a gateway and the database: keeps what is asked."""
    tap = Wiretap(database.url)
    yield tap
    tap.stop()


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


@contextmanager
def forgetting(*servers: Server) -> Iterator[None]:
    """What these are told to say holds no longer than this: the next test may use the same path."""
    before = [server.scripts.copy() for server in servers]
    yield
    for server, scripts in zip(servers, before, strict=True):
        server.scripts = scripts


@pytest.fixture(scope="module", autouse=True)
def _scripts_of_a_module(upstream: Server, django: Server) -> Iterator[None]:
    with forgetting(upstream, django):
        yield


@pytest.fixture(autouse=True)
def _scripts_of_a_test(upstream: Server, django: Server) -> Iterator[None]:
    with forgetting(upstream, django):
        yield


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
        make.upstream("busy", base, connect_timeout_ms=300)
    return database.key_for("alice", "echo based query dead quick brief small off gone")


@pytest.fixture(scope="session")
def key(seeded: str) -> str:
    return seeded


@contextmanager
def starting(database: Database, directory: Path) -> Iterator[Start]:
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


@pytest.fixture
def start(database: Database, directory: Path, django: Server) -> Iterator[Start]:
    """Starts a gateway of the test's own; keyword arguments are its environment."""
    with starting(database, directory) as begin:
        yield begin


@pytest.fixture(scope="module")
def start_once(database: Database, directory: Path, django: Server) -> Iterator[Start]:
    """As ``start``, for tests of one file that share a gateway."""
    with starting(database, directory) as begin:
        yield begin


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
    upstream.part()
    django.part()
