"""What a process holds when its database may be another one: nothing of it is spent any more."""

import asyncio
import contextlib
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from apikeys.gate.effects import Take
from apikeys.gate.snapshot import Quota
from apikeys.ledger.keeper import Keeper
from apikeys.ledger.purses import Purses
from apikeys.ledger.take import RECALL_SECONDS
from proxy.gateway.fence import OTHER_DATABASE
from proxy.gateway.following import follow_changes
from tests.apikeys.test_window_leases import NOW


def one_of(limit):
    """A request of one unit."""
    quota = Quota(f"member:{uuid4().hex}", "requests", "month", limit)
    return Take((quota,), (1,), NOW)


def row(database, take):
    statement = "SELECT used, leased FROM apikeys_counter WHERE subject = %s"
    return database.fetch(statement, take.quotas[0].subject)


async def move(keeper):
    """As the keeper's gateway is told; it has nothing else that would follow."""
    door = SimpleNamespace(keeper=keeper, memory=Mock(), ids=Mock(), changed=Mock())
    await follow_changes(SimpleNamespace(door=door, clients=()), AsyncMock(), OTHER_DATABASE)


@pytest.fixture
def play(log_house):
    """The result of ``work`` with two processes, whose defects it may not have."""

    def play(work):
        reports = []

        async def playing():
            two = [Keeper(log_house.conninfo, Purses(uuid4().hex, ZoneInfo("UTC"))) for _ in "12"]
            for keeper in two:
                keeper.reaped_at = float("inf")  # they are in no fence
            runs = [asyncio.create_task(keeper.run(report)) for keeper in two]
            try:
                return await work(*two)
            finally:
                for keeper in two:
                    keeper.close()
                await asyncio.gather(*runs)

        def report(*what):
            reports.append(what)

        found = asyncio.run(playing())
        assert reports == []
        return found

    return play


def test_from_then_on_nothing_is_spent_without_asking(play, log_house):
    take = one_of(1000)

    async def work(keeper, _):
        await keeper.take(take)
        held = keeper.take_now(take)
        await move(keeper)
        return held, keeper.take_now(take), await keeper.take(take)

    held, at_once, asked = play(work)

    assert held.charges[0].units == asked.charges[0].units == 1
    assert at_once is None
    assert row(log_house, take) == [(3, 0)]  # of the same database: what was left went back


def test_units_that_are_on_their_way_meanwhile_are_not_lost(play, log_house):
    take = one_of(1000)

    async def work(keeper, _):
        await keeper.take(take)
        waiting = [asyncio.create_task(keeper.take(take)) for _ in range(20)]
        for _ in range(20):
            await move(keeper)
            await asyncio.sleep(0.001)
        return sum([len((await each).charges) for each in waiting])

    assert play(work) == 20
    assert row(log_house, take) == [(21, 0)]


def test_who_waits_for_others_units_is_answered_all_the_same(play):
    take = one_of(1)

    async def work(keeper, other):
        await other.take(take)
        waiting = asyncio.create_task(keeper.take(take))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4 * RECALL_SECONDS):
                while True:  # at any moment of an asking
                    await move(keeper)
                    await asyncio.sleep(0)
        return await waiting

    assert play(work).exceeded is not None
