"""Looks after targets: probes who is due, and writes which of them this process has put out.

Staff and events are told by who reads the rows (proxy.services.outages).
"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
import psycopg_pool

from apikeys.gate.replies import UNAVAILABLE
from proxy.gateway import probing

if TYPE_CHECKING:
    from proxy.gateway.core import Core
    from proxy.gateway.upstreams import Target, Upstream

Pool = psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]]

LOOK_SECONDS: Final = 0.2
OUT_SQL: Final = """
INSERT INTO proxy_outage (target_id, process, since, reason)
VALUES (%(target)s, %(process)s, clock_timestamp() - %(ago)s, %(reason)s)
ON CONFLICT (target_id, process) DO UPDATE SET reason = excluded.reason
"""
IN_SQL: Final = "DELETE FROM proxy_outage WHERE process = %s AND target_id = ANY(%s)"


class Watch:
    """``told``: the targets that are out by what the database was told."""

    __slots__ = ("asking", "core", "pool", "told", "writing")

    def __init__(self, core: "Core", pool: Pool) -> None:
        self.core = core
        self.pool = pool
        self.asking: set[UUID] = set()
        self.told: set[UUID] = set()
        self.writing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.look(self.core.loop.time())
            except Exception as error:  # noqa: BLE001 - a defect must not end the watch
                self.core.report("the targets cannot be watched", error)

    def look(self, now: float) -> None:
        table = self.core.table
        if not (table.watched or table.out or self.told):
            return
        out: dict[UUID, Target] = {}
        for upstream, target in self.looked_after():
            if target.health.since:
                out[target.id] = target
            if now >= probing.due(upstream, target, now) and target.id not in self.asking:
                self.asking.add(target.id)
                target.health.asked_at = now
                self.core.spawn(self.ask(upstream, target))
        table.out.intersection_update(out)  # in place: every target tells this very set
        if out.keys() != self.told and self.writing is None:
            self.writing = self.core.spawn(self.write(out))

    def looked_after(self) -> "Iterator[tuple[Upstream, Target]]":
        """All targets of upstreams that have a health path, and of those where one is out."""
        table = self.core.table
        for upstream in table.by_slug.values():
            if upstream.health_path or any(t.id in table.out for t in upstream.targets):
                for target in upstream.targets:
                    yield upstream, target

    async def ask(self, upstream: "Upstream", target: "Target") -> None:
        try:
            await probing.ask(self.core, upstream, target)
        except Exception as error:  # noqa: BLE001 - the outermost frame of a probe
            self.core.report("a probe failed", error)
        finally:
            self.asking.discard(target.id)

    async def write(self, out: "dict[UUID, Target]") -> None:
        """What cannot be written now is written later: the next look finds the same difference."""
        now, process = self.core.loop.time(), self.core.fence.process
        try:
            async with self.pool.connection() as connection:
                gone = self.told - out.keys()
                if gone:
                    await connection.execute(IN_SQL, (process, list(gone)))
                    self.told -= gone
                for key in out.keys() - self.told:
                    health = out[key].health
                    ago = timedelta(seconds=max(0.0, now - health.since))
                    values = {"target": key, "process": process, "ago": ago}
                    await connection.execute(OUT_SQL, values | {"reason": health.reason})
                    self.told.add(key)
        except UNAVAILABLE:
            await asyncio.sleep(1)
        except Exception as error:  # noqa: BLE001 - the outermost frame of a task
            self.core.report("outages cannot be written", error)
            await asyncio.sleep(1)
        finally:
            self.writing = None
