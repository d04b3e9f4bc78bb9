"""DUR-09: everything of ours may start before what it needs, in any order and at once: it waits,
says so, and works when that has come, without a restart."""

import contextlib
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from momentry.supervisor.valkey import Valkey
from tests.gateway.engine import Engine, OwnDatabase, copied
from tests.gateway.households import command
from tests.gateway.processes import Gateway, environment
from tests.gateway.wire import Server, within

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

WORKERS = 4
PREPARES = 2
TRIED = 2.0  # seconds in which each has tried what it needs more than once
PATIENCE = 120.0
TASK = "apikeys.tasks.purge_holds"
UNSENT = "SELECT count(*)::int FROM events_mail WHERE sent_at IS NULL"
COUNTED = "UPDATE apikeys_tier SET requests_per_minute = 40"


@dataclass
class Town:
    """What there is, and what of it was started."""

    place: Path
    own: OwnDatabase
    engine: Engine
    valkey: Valkey
    upstream: Server
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    ending: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    gateways: list[Gateway] = field(default_factory=list)

    @property
    def given(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.own.url,
            "REDIS_URL": self.valkey.url,
            "DJANGO_SOCKET": str(self.place / "django.sock"),
        }

    @property
    def gateway(self) -> Gateway:
        return self.gateways[0]

    def said(self, name: str) -> str:
        return (self.place / f"{name}.log").read_text()

    def start(self, *names: str) -> None:
        """At once; done when each has tried."""
        for name in names:
            match name:
                case "postgres":
                    self.engine.start()
                case "valkey":
                    self.valkey.start()
                case "gateway":
                    self.gateways.append(Gateway(environment(**self.given), WORKERS))
                case _:
                    log = self.place / f"{name}.log"
                    self.processes[name] = command(name, log, self.given)
        assert within(PATIENCE, lambda: all(self.has_begun(name) for name in names))
        time.sleep(TRIED)

    def has_begun(self, name: str) -> bool:
        match name:
            case "gateway":
                return self.gateway.port > 0 and len(self.gateway.children()) == WORKERS
            case "serve":
                return (self.place / "django.sock").exists()
            case "relay" | "worker":
                return bool(self.said(name))
            case "postgres":
                return self.engine.postgres.ready()
        return self.valkey.ready()

    def prepare(self) -> None:
        """On several machines at the same moment."""
        log = self.place / "prepare.log"
        some = {f"prepare {n}": command("prepare", log, self.given) for n in range(PREPARES)}
        self.ending |= some
        assert {one.wait(PATIENCE) for one in some.values()} == {0}, log.read_text()


@contextlib.contextmanager
def town(directory: Path, engine: Engine, blocker: DjangoDbBlocker, up: Server) -> Iterator[Town]:
    place = directory / uuid.uuid4().hex[:6]
    place.mkdir()
    valkey = Valkey(place / "data", place, place / "log", durable=False)
    made = Town(place, OwnDatabase(blocker, engine.postgres.url), engine, valkey, up)
    try:
        yield made
    finally:
        for gateway in made.gateways:
            gateway.kill()
        for process in (*made.processes.values(), *made.ending.values()):
            process.kill()
            process.wait()
        valkey.child.kill()


@pytest.fixture
def made(
    directory: Path, migrated_files: Path, django_db_blocker: DjangoDbBlocker, upstream: Server
) -> Iterator[Town]:
    """A database that was migrated; nothing runs."""
    with copied(directory, migrated_files) as engine:
        engine.stop()
        with town(directory, engine, django_db_blocker, upstream) as found:
            yield found


@pytest.fixture
def empty(directory: Path, django_db_blocker: DjangoDbBlocker, upstream: Server) -> Iterator[Town]:
    """A database without a table; nothing runs."""
    engine = Engine(directory / uuid.uuid4().hex[:6])
    engine.stop()
    with town(directory, engine, django_db_blocker, upstream) as found:
        yield found
    engine.kill()


def all_works(found: Town) -> None:
    gateway, own = found.gateway, found.own
    assert within(PATIENCE, lambda: gateway.get("/readyz").status == 200), gateway.lines[-5:]
    own.upstream("echo", found.upstream.port)
    secret = own.key_for(f"t{uuid.uuid4().hex[:8]}", "echo")
    own.change(COUNTED)

    assert within(5, lambda: gateway.get("/proxy/echo/x", secret).status == 200)
    assert gateway.get("/api/v1/me", secret).status == 200
    counts = Redis.from_url(found.valkey.url)
    with contextlib.closing(counts):
        assert within(5, lambda: is_counted(gateway, secret, counts))
    assert within(PATIENCE, lambda: own.fetch(UNSENT) == [(0,)])
    works_on_time(found)
    assert all(process.poll() is None for process in found.processes.values())
    assert len(gateway.children()) == WORKERS
    assert gateway.errors() == []


def is_counted(gateway: Gateway, secret: str, counts: "Redis") -> bool:
    return gateway.get("/proxy/echo/x", secret).status == 200 and bool(counts.keys())


def works_on_time(found: Town) -> None:
    """Beat asks over Valkey, and the worker does it."""

    def is_done() -> bool:
        hurry(found.own)
        return "Purged 0 holds." in found.said("worker")

    assert within(PATIENCE, is_done, pause=2.0), found.said("worker")


def hurry(own: OwnDatabase) -> None:
    """Again until it is so: a beat that starts writes the times of the settings, and what changes
    while it reads them it does not see."""
    with own.rows():
        every, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
        rows = PeriodicTask.objects.filter(task=TASK)
        if rows.update(interval=every, crontab=None):
            PeriodicTasks.update_changed()


def refuses_meanwhile(found: Town) -> None:
    gateway = found.gateway
    assert gateway.get("/healthz").status == 200
    assert gateway.get("/readyz").status == 503


def test_all_at_once_before_any_engine(made: Town) -> None:
    made.start("gateway", "serve", "relay", "worker")
    refuses_meanwhile(made)
    made.start("valkey")
    refuses_meanwhile(made)
    made.start("postgres")
    all_works(made)


def test_the_gateway_before_django_and_valkey_last(made: Town) -> None:
    made.start("postgres")
    made.start("gateway")
    refuses_meanwhile(made)
    made.start("worker")
    made.start("relay")
    made.start("serve")
    assert within(PATIENCE, lambda: made.gateway.get("/readyz").status == 200)
    made.start("valkey")
    all_works(made)


def test_all_at_once_before_the_first_migration(empty: Town) -> None:
    empty.start("postgres", "valkey")
    empty.start("gateway", "serve", "relay", "worker")
    refuses_meanwhile(empty)
    empty.prepare()
    all_works(empty)
