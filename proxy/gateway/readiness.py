"""Is this process ready? It does not end, the database answers, its schema is current, changes are
followed, quotas can be counted, the upstreams were read, Django's socket answers."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import psycopg_pool

from proxy.gateway.pool import PoolBusyError

if TYPE_CHECKING:
    from proxy.gateway.core import Core

Pool = psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]]

APPLIED_SQL: Final = "SELECT app, name FROM django_migrations"
ROOT: Final = Path(__file__).resolve().parent.parent.parent
WAIT_SECONDS: Final = 3.0
CONNECT_SECONDS: Final = 1.0


def expected_migrations(root: Path = ROOT) -> frozenset[tuple[str, str]]:
    """(app, name) of every migration file of our own apps."""
    files = [*root.glob("*/migrations/[0-9]*.py"), *root.glob("*/*/migrations/[0-9]*.py")]
    return frozenset((file.parent.parent.name, file.stem) for file in files)


class Probe:
    """Asks afresh, once for all who want to know meanwhile: they cannot use up the database."""

    __slots__ = ("asking", "core", "expected", "pool")

    def __init__(self, pool: Pool, core: "Core") -> None:
        self.pool = pool
        self.core = core
        self.expected = expected_migrations()
        self.asking: asyncio.Task[tuple[str, str]] | None = None

    async def reason(self) -> tuple[str, str]:
        if self.core.ending:
            return "not_ready", "This process ends."
        if self.asking is None or self.asking.done():
            self.asking = asyncio.get_running_loop().create_task(self.ask())
        return await asyncio.shield(self.asking)

    async def ask(self) -> tuple[str, str]:
        asking = asyncio.ensure_future(self.missing())
        done, _ = await asyncio.wait({asking}, timeout=WAIT_SECONDS)
        if not done:
            asking.add_done_callback(consume)
            return "database_unavailable", ""
        try:
            missing = asking.result()
        except (psycopg.Error, psycopg_pool.PoolTimeout, OSError):
            return "database_unavailable", ""
        if missing:
            return "not_ready", f"{missing} migrations are not applied; run `manage.py migrate`."
        if not self.core.table.version:
            return "not_ready", "The upstreams were not read yet."
        if not self.core.fence.is_fresh():
            return "database_unavailable", "This process cannot follow changes."
        if self.core.door.keeper.link.connection is None:
            return "database_unavailable", "This process cannot count quotas."
        if not await self.django_answers():
            return "not_ready", "The application does not answer."
        return "", ""

    async def missing(self) -> int:
        async with self.pool.connection() as connection:
            try:
                cursor = await connection.execute(APPLIED_SQL)
            except psycopg.errors.UndefinedTable:
                return len(self.expected)
            applied = {(row[0], row[1]) for row in await cursor.fetchall()}
            return len(self.expected - applied)

    async def django_answers(self) -> bool:
        """Takes a connection: Django's server accepts while its process lives."""
        if (side := self.core.django.take()) is None:
            try:
                side = await self.core.django.acquire(CONNECT_SECONDS)
            except (PoolBusyError, TimeoutError, OSError):
                return False
        self.core.django.release(side)
        return True


def consume(asked: "asyncio.Future[int]") -> None:
    """A late failure was already told as database_unavailable."""
    if not asked.cancelled():
        asked.exception()
