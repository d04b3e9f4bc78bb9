"""What all connections of one child share; made by the worker, known by every part."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol

from apikeys.gate.door import AsyncDoor
from proxy.gateway.metrics import EXCEPTIONS, Metrics
from proxy.gateway.pool import DJANGO_IDLE, FOREIGN_IDLE, Endpoint, Pool
from proxy.gateway.settings import Settings
from proxy.gateway.upstreams import Table

if TYPE_CHECKING:
    from proxy.gateway.connection import Connection
    from proxy.gateway.logwriter import LogWriter

logger: Final = logging.getLogger("momentry.gateway")
POOL_KEPT: Final = 300.0  # seconds an unused pool without connections is remembered


class Readiness(Protocol):
    async def reason(self) -> tuple[str, str]:
        """(code, detail) of why this process is not ready; ("", "") when it is."""


class Core:
    __slots__ = (
        "clients",
        "decision_key",
        "django",
        "door",
        "draining",
        "log",
        "loop",
        "metrics",
        "pools",
        "readiness",
        "settings",
        "table",
        "tasks",
    )

    log: "LogWriter"
    door: AsyncDoor
    readiness: Readiness

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
        self.pools: dict[Endpoint, Pool] = {}
        self.table = Table()
        self.clients: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.draining = False

    def pool(self, endpoint: Endpoint) -> Pool:
        pool = self.pools.get(endpoint)
        if pool is None:
            pool = self.pools[endpoint] = Pool(self.loop, endpoint, FOREIGN_IDLE)
        return pool

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it beside; the loop alone keeps only weak references to tasks."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

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

    def close_pools(self) -> None:
        for pool in (self.django, *self.pools.values()):
            pool.close()
