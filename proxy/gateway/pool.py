"""Keep-alive connections to one endpoint: bounded, freshest first, with a bounded queue."""

import asyncio
import contextlib
import ssl
from collections import deque
from functools import cache
from typing import Final, NamedTuple

from proxy.gateway.upstream_side import UpstreamSide

MAX_CONNECTIONS: Final = 256
MAX_PENDING: Final = 1024
FOREIGN_IDLE: Final = 4.0  # seconds; common servers close after 5
DJANGO_IDLE: Final = 60.0


class Endpoint(NamedTuple):
    """Where a connection goes: ``path`` of a unix socket, or host and port.

    ``tls``: "" for clear text, "verify", or "unverified".
    """

    path: str = ""
    host: str = ""
    port: int = 0
    tls: str = ""


class PoolBusyError(Exception):
    """All connections are in use and the queue is full, or its wait was too long."""


@cache
def tls_context(mode: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if mode == "unverified":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Pool:
    """``open`` counts standing and rising connections; nobody dials without having counted."""

    __slots__ = ("endpoint", "idle", "loop", "max_idle", "open", "used_at", "waiting")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, endpoint: Endpoint, max_idle: float
    ) -> None:
        self.loop = loop
        self.endpoint = endpoint
        self.max_idle = max_idle
        self.idle: list[UpstreamSide] = []
        self.open = 0
        self.used_at = loop.time()
        self.waiting: deque[asyncio.Future[UpstreamSide | None]] = deque()

    def take(self) -> UpstreamSide | None:
        """A connection that stands and is not too old, at once; None if there is none."""
        oldest = self.loop.time() - self.max_idle
        while self.idle:
            side = self.idle.pop()
            if side.is_open() and side.idle_since > oldest:
                return side
            side.abort()
        return None

    async def acquire(self, patience: float) -> UpstreamSide:
        """A fresh connection, or one handed on. PoolBusyError, TimeoutError or OSError."""
        self.used_at = deadline = self.loop.time()
        deadline += patience
        while self.open >= MAX_CONNECTIONS:
            side = await self.wait(deadline)
            if side is None:
                return await self.dial(deadline)
            if side.is_open():
                return side
        self.open += 1
        return await self.dial(deadline)

    async def wait(self, deadline: float) -> UpstreamSide | None:
        """A connection another request is done with, or None: leave to dial, already counted."""
        if len(self.waiting) >= MAX_PENDING:
            raise PoolBusyError
        future: asyncio.Future[UpstreamSide | None] = self.loop.create_future()
        self.waiting.append(future)
        try:
            async with asyncio.timeout_at(deadline):
                return await future
        except BaseException as error:
            self.unwait(future)
            if isinstance(error, TimeoutError):
                raise PoolBusyError from None
            raise

    def unwait(self, future: "asyncio.Future[UpstreamSide | None]") -> None:
        """Nobody waits any more; what was handed over in the same moment goes to the next."""
        if future.cancelled():
            with contextlib.suppress(ValueError):
                self.waiting.remove(future)
        elif (side := future.result()) is None:
            self.free_place()
        else:
            self.release(side)

    async def dial(self, deadline: float) -> UpstreamSide:
        side = UpstreamSide(self)
        try:
            async with asyncio.timeout_at(deadline):
                await self.connect(side)
        except BaseException:
            if side.was_made:
                side.abort()
            else:
                self.free_place()
            raise
        return side

    async def connect(self, side: UpstreamSide) -> None:
        place = self.endpoint
        if place.path:
            await self.loop.create_unix_connection(lambda: side, place.path)
            return
        context = tls_context(place.tls) if place.tls else None
        name = place.host if context else None
        await self.loop.create_connection(
            lambda: side, place.host, place.port, ssl=context, server_hostname=name
        )

    def release(self, side: UpstreamSide) -> None:
        """A connection whose exchange ended well: to the longest waiting, or kept."""
        side.idle_since = self.loop.time()
        while self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                future.set_result(side)
                return
        self.idle.append(side)

    def forget(self, side: UpstreamSide) -> None:
        """Called once for every connection that ends."""
        with contextlib.suppress(ValueError):
            self.idle.remove(side)
        self.free_place()

    def free_place(self) -> None:
        while self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                future.set_result(None)
                return
        self.open -= 1

    def sweep(self, now: float) -> None:
        for side in [side for side in self.idle if side.idle_since < now - self.max_idle]:
            self.idle.remove(side)
            side.abort()

    def close(self) -> None:
        for side in tuple(self.idle):
            side.abort()
