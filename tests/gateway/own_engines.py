"""The plugin of tests that stop, kill or freeze servers: each file has a PostgreSQL of its own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from momentry.supervisor.valkey import Valkey
from tests.gateway.engine import Engine, OwnDatabase, copied
from tests.gateway.wire import Server, within


@pytest.fixture(scope="session")
def migrated_files(directory: Path, django_db_blocker: DjangoDbBlocker) -> Path:
    """Of a PostgreSQL that was stopped: to copy them is much quicker than to make them."""
    made = Engine(directory / "migrated")
    try:
        OwnDatabase(django_db_blocker, made.postgres.url).migrate()
    finally:
        made.stop()
    return made.postgres.directory


@pytest.fixture(scope="module")
def engine(directory: Path, migrated_files: Path) -> Iterator[Engine]:
    with copied(directory, migrated_files) as made:
        yield made


@pytest.fixture(scope="module")
def own(engine: Engine, django_db_blocker: DjangoDbBlocker, upstream: Server) -> OwnDatabase:
    database = OwnDatabase(django_db_blocker, engine.postgres.url)
    database.upstream("echo", upstream.port)
    return database


@pytest.fixture
def valkey(directory: Path) -> Iterator[Valkey]:
    place = directory / uuid.uuid4().hex[:6]
    place.mkdir()
    made = Valkey(place / "data", place, place / "log", durable=False)
    made.start()
    assert within(15, made.ready)
    yield made
    made.child.kill()
