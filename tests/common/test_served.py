"""Django's connection in a server: what stands still fails soon, and takes the idle ones along."""

import time

import psycopg
import pytest
from django.db import connection
from psycopg_pool import ConnectionPool
from pytest_django.plugin import DjangoDbBlocker

from momentry.common.served import MARGIN_SECONDS, ServedConnection
from tests.gateway.conftest import Database
from tests.gateway.wiretap import Wiretap

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(django_db_blocker: DjangoDbBlocker) -> Database:
    return Database(django_db_blocker, connection.settings_dict["NAME"])


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(ServedConnection, "limit", 1.0)
    return 1.0


def test_a_server_that_works_ends_what_takes_too_long(house: Database, limit: float) -> None:
    with (
        ServedConnection.connect(house.conninfo, options="-c work_mem=1MB") as made,
        pytest.raises(psycopg.errors.QueryCanceled),
    ):
        made.execute("SELECT pg_sleep(5)")
    assert limit > MARGIN_SECONDS


def test_one_that_stands_still_is_left_and_so_are_the_idle_ones(
    house: Database, limit: float
) -> None:
    tap = Wiretap(house.url)
    with ConnectionPool(tap.url, connection_class=ServedConnection, min_size=4) as pool:
        pool.wait(10)
        tap.swallow_all()
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError), pool.connection() as made:
            made.execute("SELECT 1")
        assert limit <= time.monotonic() - began < 3 * limit
        assert made.closed
        for _ in range(8):
            with pool.connection(5) as made:
                made.execute("SELECT 1")
        assert time.monotonic() - began < 5
    tap.stop()


def test_commands_have_all_the_time(house: Database) -> None:
    assert ServedConnection.limit is None
    with ServedConnection.connect(house.conninfo, autocommit=True) as made:
        assert made.execute("SHOW statement_timeout").fetchall() == [("0",)]
