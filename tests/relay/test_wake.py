"""Calls of the relay's rounds: after the commit, once, and heard again after an outage."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
import pytest
from django.db import connection, transaction

from momentry import listening
from momentry.common import wake
from momentry.listening import listen

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

PATIENCE = 20.0
WANTED = {"dbname", "user", "password", "host", "port"}
LISTENERS = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = %s
"""


@pytest.fixture
def conninfo() -> str:
    values = {k: v for k, v in connection.get_connection_params().items() if k in WANTED and v}
    return psycopg.conninfo.make_conninfo(**values)


@pytest.fixture
def heard(conninfo: str) -> Iterator[Callable[[], list[str]]]:
    """What was called so far; everything else the server said by then came before it."""
    with psycopg.connect(conninfo, autocommit=True) as listener:
        listener.execute(f"LISTEN {wake.CHANNEL}")

        def read() -> list[str]:
            listener.execute("SELECT 1")
            return [call.payload for call in listener.notifies(timeout=0)]

        yield read


def undone(name: str) -> None:
    """A change that calls and is rolled back."""
    with suppress(InterruptedError), transaction.atomic():
        wake.call(name)
        raise InterruptedError


def test_a_round_is_called_once_after_the_commit(heard):
    with transaction.atomic():
        wake.call("mail")
        with transaction.atomic():
            wake.call("mail")
        wake.call("sealer")
        assert heard() == []

    assert heard() == ["mail", "sealer"]


def test_nobody_is_called_for_what_was_rolled_back(heard):
    undone("mail")

    assert heard() == []


def test_a_savepoint_takes_its_own_calls_back_and_no_others(heard):
    with transaction.atomic():
        undone("mail")
        with transaction.atomic():
            wake.call("sealer")

    assert heard() == ["sealer"]


def test_a_rolled_back_savepoint_does_not_keep_a_later_call_from_being_made(heard):
    with transaction.atomic():
        undone("mail")
        wake.call("mail")

    assert heard() == ["mail"]


def test_a_call_that_cannot_be_made_undoes_nothing(monkeypatch):
    monkeypatch.setattr(wake, "CHANNEL", "x" * 100)  # longer than the server takes

    with transaction.atomic():
        wake.call("mail")

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_the_relay_hears_calls_and_connects_anew(conninfo, monkeypatch):
    """All rounds are called at each connection: nobody knows what was missed."""
    monkeypatch.setattr(listening, "RETRY_SECONDS", 0.01)

    async def play() -> list[str]:
        calls: asyncio.Queue[str] = asyncio.Queue()
        ears = asyncio.create_task(listen(conninfo, calls.put_nowait))
        heard = []
        async with asyncio.timeout(PATIENCE):
            heard.append(await calls.get())
            await asyncio.to_thread(say, conninfo, "mail")
            heard.append(await calls.get())
            await asyncio.to_thread(cut, conninfo)
            heard.append(await calls.get())
            await asyncio.to_thread(say, conninfo, "sealer")
            heard.append(await calls.get())
        ears.cancel()
        return heard

    assert asyncio.run(play()) == ["", "mail", "", "sealer"]


def say(conninfo: str, name: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as direct:
        direct.execute("SELECT pg_notify(%s, %s)", [wake.CHANNEL, name])


def cut(conninfo: str) -> None:
    """The relay's connection, by the server."""
    with psycopg.connect(conninfo, autocommit=True) as direct:
        for (pid,) in direct.execute(LISTENERS, [listening.NAME]).fetchall():
            direct.execute("SELECT pg_terminate_backend(%s)", [pid])
