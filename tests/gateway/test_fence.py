"""A process that follows the fence, against a real database: what it applies before it says so."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest

from momentry.common.fence import sql
from proxy.gateway.fence import EVERYTHING, PARK_SECONDS, Change, Fence, clock
from tests.gateway.conftest import Database

NOTE = "SELECT momentry_fence_note(%s, %s)"
LEFT = (
    "SELECT extract(epoch FROM expires_at - clock_timestamp())::float8"
    " FROM common_fenceprocess WHERE id = %s"
)


class Follower:
    """Keeps what it was told to apply; ``hold`` makes it slow to follow."""

    def __init__(self, conninfo: str, lease: float = 1.0) -> None:
        self.applied: list[Change] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.fence = Fence(conninfo, lease, self.apply)

    async def apply(self, changes: tuple[Change, ...]) -> None:
        await self.hold.wait()
        self.applied += changes


@asynccontextmanager
async def following(database: Database, lease: float = 1.0) -> AsyncIterator[Follower]:
    found = Follower(database.conninfo, lease)
    task = asyncio.get_running_loop().create_task(found.fence.run(fail))
    try:
        assert await until(lambda: found.fence.is_fresh() and found.fence.applied > 0)
        found.applied.clear()
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def fail(event: str, error: BaseException) -> None:
    raise AssertionError(event) from error


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110  a process tells nobody
        await asyncio.sleep(0.005)
    return condition()


def acked(database: Database, fence: Fence) -> int:
    query = "SELECT acked FROM common_fenceprocess WHERE id = %s"
    rows = database.fetch(query, fence.process)
    return int(str(rows[0][0])) if rows else -1


def test_a_change_is_applied_before_it_is_acknowledged(database: Database) -> None:
    async def play() -> None:
        async with following(database) as found:
            before = found.fence.applied
            found.hold.clear()
            database.execute(NOTE, "key", "abc")
            await asyncio.sleep(0.2)
            assert acked(database, found.fence) <= before
            found.hold.set()
            assert await until(lambda: acked(database, found.fence) == before + 1)
            assert found.applied == [Change("key", "abc")]

    asyncio.run(play())


def test_it_is_called_long_before_the_next_renewal(database: Database) -> None:
    async def play() -> None:
        async with following(database) as found:
            took: list[float] = []
            for number in range(10):
                began = time.monotonic()
                database.execute(NOTE, "key", str(number))
                assert await until(lambda: len(found.applied) == number + 1)  # noqa: B023  awaited here
                took.append(time.monotonic() - began)
            assert min(took) < sql.RENEW_SECONDS / 3

    asyncio.run(play())


def test_many_transactions_at_once_are_all_followed(database: Database) -> None:
    async def play() -> None:
        async with following(database) as found:
            names = {str(number) for number in range(40)}
            notes = [asyncio.to_thread(database.execute, NOTE, "member", name) for name in names]
            await asyncio.gather(*notes)
            assert await until(lambda: {change.subject for change in found.applied} >= names)

    asyncio.run(play())


def test_who_missed_changes_that_are_gone_forgets_everything(database: Database) -> None:
    async def play() -> None:
        async with following(database) as found:
            with psycopg.connect(database.conninfo) as changing:
                for number in range(3):
                    changing.execute("SET LOCAL momentry.fence = ''")
                    changing.execute(NOTE, ["key", str(number)])
                changing.execute(
                    "DELETE FROM common_fencechange WHERE generation <"
                    " (SELECT max(generation) FROM common_fencechange)"
                )
            assert await until(lambda: bool(found.applied))
            assert found.applied == list(EVERYTHING)

    asyncio.run(play())


def test_a_lock_on_the_fence_ends_freshness_and_its_end_brings_it_back(database: Database) -> None:
    async def play() -> None:
        async with following(database) as found:
            with psycopg.connect(database.conninfo) as changing:
                changing.execute("UPDATE common_fence SET generation = generation + 1")
                assert await until(lambda: not found.fence.is_fresh(), 3)
                assert not await found.fence.fresh()
                changing.rollback()
            assert await found.fence.fresh()

    asyncio.run(play())


def test_a_process_that_gets_no_time_to_run_hears_the_database_before_it_says_no(
    database: Database,
) -> None:
    async def wait_for_a_core(changing: psycopg.Connection[object]) -> None:
        for turn in range(10):
            time.sleep(PARK_SECONDS * 1.2)  # noqa: ASYNC251  nothing else of this process runs
            if turn == 0:
                changing.rollback()
            await asyncio.sleep(0)

    async def play() -> None:
        async with following(database, lease=3.0) as found:
            with psycopg.connect(database.conninfo) as changing:
                changing.execute("UPDATE common_fence SET generation = generation + 1")
                assert await until(lambda: not found.fence.is_fresh(), 5)
                waiting = asyncio.get_running_loop().create_task(wait_for_a_core(changing))
                assert await found.fence.fresh()
                await waiting

    asyncio.run(play())


def test_it_never_relies_on_its_memory_longer_than_the_database_believes(
    database: Database,
) -> None:
    async def play() -> None:
        async with following(database, lease=2.0) as found:
            for _ in range(20):
                row = database.fetch(LEFT, found.fence.process)
                left = found.fence.fresh_until - clock()
                assert left <= float(str(row[0][0])) + 0.001 + 0.3
                await asyncio.sleep(0.02)

    asyncio.run(play())


def test_the_time_it_tells_is_the_databases_and_never_behind(database: Database) -> None:
    async def play() -> None:
        async with following(database) as found:
            for _ in range(20):
                (then,) = database.fetch("SELECT clock_timestamp()")[0]
                ahead = (found.fence.now() - then).total_seconds()  # type: ignore[operator]  # a time
                assert 0 <= ahead < 1
                await asyncio.sleep(0.01)

    asyncio.run(play())


def test_a_lost_connection_is_made_anew_and_nothing_is_missed(database: Database) -> None:
    async def play() -> None:
        async with following(database) as found:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE '%%common_fence%%'"
                " AND pid <> pg_backend_pid()"
            )
            database.execute(NOTE, "key", "meanwhile")
            assert await until(lambda: Change("key", "meanwhile") in found.applied)
            assert await until(found.fence.is_fresh)

    asyncio.run(play())


def test_who_leaves_is_waited_for_by_nobody(database: Database) -> None:
    async def play() -> Fence:
        async with following(database, lease=30.0) as found:
            return found.fence

    assert acked(database, asyncio.run(play())) == -1


@pytest.mark.parametrize("seconds", [0.0])
def test_a_process_that_never_started_is_not_fresh(database: Database, seconds: float) -> None:
    follower = Fence(database.conninfo, 1.0, lambda _: asyncio.sleep(seconds))
    assert not follower.is_fresh()
    with pytest.raises(RuntimeError):
        follower.now()
