"""A process's own connection to the ledger, and the calls that come by the fence's."""

import asyncio

import psycopg
import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from apikeys.ledger import link
from apikeys.ledger import sql as ledger
from apikeys.ledger.link import Link
from momentry.common.fence import sql
from proxy.gateway.fence import Change, Fence
from tests.gateway.conftest import Database

pytestmark = pytest.mark.django_db


@pytest.fixture
def conninfo(django_db_blocker: DjangoDbBlocker) -> str:
    return Database(django_db_blocker, connection.settings_dict["NAME"]).conninfo


async def both(conninfo: str, *, is_first_closed: bool) -> float:
    """How long the second connection of a process waits beside the first, which does nothing."""
    loop = asyncio.get_running_loop()
    first, second = Link(conninfo, "one"), Link(conninfo, "one")
    await first.connect()
    began = loop.time()
    if is_first_closed:
        loop.call_later(0.2, asyncio.ensure_future, first.disconnect())
    try:
        await second.execute("SELECT 1", {})
        return loop.time() - began
    finally:
        await first.disconnect()
        await second.disconnect()


def test_a_new_connection_waits_for_the_end_of_the_one_before(conninfo: str) -> None:
    assert asyncio.run(both(conninfo, is_first_closed=True)) >= 0.2


def test_a_session_that_a_dead_network_left_behind_ends_by_itself(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "idle_session_timeout=4000" in link.OPTIONS
    shorter = link.OPTIONS.replace("idle_session_timeout=4000", "idle_session_timeout=300")
    monkeypatch.setattr(link, "OPTIONS", shorter)

    assert 0.2 < asyncio.run(both(conninfo, is_first_closed=False)) < 4


async def hear(conninfo: str) -> list[str]:
    """What a process was called back of in one breath with a change of the fence."""
    heard: list[str] = []

    async def follow(changes: tuple[Change, ...]) -> None:
        """Nothing."""

    fence = Fence(conninfo, 1.0, follow)
    fence.recall = heard.append
    made = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
    async with made as listening, await psycopg.AsyncConnection.connect(conninfo) as other:
        for channel in (sql.CHANNEL, ledger.CHANNEL):
            await listening.execute(f"LISTEN {channel}")
        for channel, text in ((sql.CHANNEL, ""), (ledger.CHANNEL, "7"), (ledger.CHANNEL, "8")):
            await other.execute("SELECT pg_notify(%s, %s)", (channel, text))
        await other.commit()
        await asyncio.sleep(0.05)
        await fence.wait(listening)
    return heard


def test_calls_that_come_together_with_a_change_are_heard(conninfo: str) -> None:
    assert asyncio.run(hear(conninfo)) == ["7", "8"]
