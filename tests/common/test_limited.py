"""A database connection on which something stands still fails soon, and is closed."""

import asyncio
import time

import psycopg
import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from momentry.common import limited
from tests.gateway.conftest import Database

pytestmark = pytest.mark.django_db


@pytest.fixture
def conninfo(django_db_blocker: DjangoDbBlocker) -> str:
    return Database(django_db_blocker, connection.settings_dict["NAME"]).conninfo


def test_what_takes_too_long_is_broken_off(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited, "LIMIT_SECONDS", 0.2)

    async def wait() -> bool:
        made = await limited.connect(conninfo)
        with pytest.raises(psycopg.OperationalError):
            await made.execute("SELECT pg_sleep(3)")
        return made.closed

    began = time.monotonic()
    assert asyncio.run(wait())
    assert time.monotonic() - began < 2


def test_the_server_gives_up_before_we_do() -> None:
    words = limited.OPTIONS.split("statement_timeout=")
    assert int(words[1]) / 1000 < limited.LIMIT_SECONDS < 5


def test_what_was_prepared_for_another_table_ends_its_connection(conninfo: str) -> None:
    async def ask() -> bool:
        made = await limited.connect(conninfo)
        with pytest.raises(psycopg.NotSupportedError):
            await made.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '0A000'; END $$")
        return made.closed

    assert asyncio.run(ask())
