"""What all connections of one child share; made by the worker, known by every part."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from apikeys.gate.door import AsyncDoor
from proxy.gateway.egress import Egress
from proxy.gateway.fence import Fence
from proxy.gateway.load import Load
from proxy.gateway.metrics import EXCEPTIONS, Metrics
from proxy.gateway.pace import Pace
from proxy.gateway.places import Places
from proxy.gateway.pool import DJANGO_IDLE, FOREIGN_IDLE, Endpoint, Pool
from proxy.gateway.settings import Settings
from proxy.gateway.table import Table

if TYPE_CHECKING:
    from proxy.gateway.connection import Connection
    from proxy.gateway.logwriter import LogWriter
    from proxy.gateway.opencalls import OpenCalls
    from proxy.gateway.passages import Passages
    from proxy.gateway.slowness import Slowness

logger: Final = logging.getLogger("momentry.gateway")
POOL_KEPT: Final = 300.0  # seconds an unused pool without connections is remembered


class Readiness(Protocol):
    async def reason(self) -> tuple[str, str]:
        """(code, detail) of why this process is not ready; ("", "") when it is."""


class Core:
    __slots__ = (
        "calls",
        "clients",
        "decision_key",
        "django",
        "door",
        "draining",
        "egress",
        "ending",
        "fence",
        "hold_key",
        "load",
        "log",
        "loop",
        "metrics",
        "pace",
        "passages",
        "patience",
        "places",
        "pools",
        "readiness",
        "settings",
        "slowness",
        "table",
        "tasks",
    )

    calls: "OpenCalls"
    log: "LogWriter"
    passages: "Passages"
    door: AsyncDoor
    fence: Fence
    hold_key: bytes
    readiness: Readiness
    slowness: "Slowness"

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        metrics: Metrics,
        decision_key: bytes,
    ) -> None:
        self.loop = loop
        self.settings = settings
        self.metrics = metrics
        self.decision_key = decision_key
        place = settings.django
        self.django = Pool(loop, Endpoint(place.path, place.host, place.port), DJANGO_IDLE)
        self.egress = Egress(settings.egress, loop.time)
        self.pools: dict[Endpoint, Pool] = {}
        self.table = Table()
        self.pace = Pace(loop)
        self.load = Load(settings.max_buffered_mib)
        self.clients: set[Connection] = set()
        self.places = Places(self, settings.max_connections)
        self.tasks: set[asyncio.Task[None]] = set()
        self.draining = False
        self.ending = False  # nobody takes its place
        self.patience = 0.0  # while draining: seconds for which an unused connection is kept

    def now(self) -> datetime:
        """The database's time; this machine's own, which may be wrong, before it was ever told."""
        return self.fence.now() if self.fence.time.is_known else datetime.now(UTC)

    def pool(self, endpoint: Endpoint) -> Pool:
        pool = self.pools.get(endpoint)
        if pool is None:
            pool = self.pools[endpoint] = Pool(self.loop, endpoint, FOREIGN_IDLE, self.egress)
        return pool

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run it beside; the loop alone keeps only weak references to tasks."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def report(self, event: str, error: BaseException, request_id: str = "") -> None:
        """An unexpected exception, once, with its trace. Never on a path that a client can walk."""
        self.metrics.counts[EXCEPTIONS] += 1
        logger.error({"event": event, "request_id": request_id}, exc_info=error)

    def sweep(self, now: float) -> None:
        self.django.sweep(now)
        for endpoint, pool in tuple(self.pools.items()):
            pool.sweep(now)
            if not pool.open and pool.used_at < now - POOL_KEPT:
                del self.pools[endpoint]
                self.door.changed()  # no request goes to it any more

    def close_pools(self) -> None:
        for pool in (self.django, *self.pools.values()):
            pool.close()
