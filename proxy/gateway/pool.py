"""Keep-alive connections to one endpoint: bounded, freshest first, with a bounded queue."""

import asyncio
import contextlib
from collections import deque
from random import uniform
from typing import Final, NamedTuple, cast

from proxy.gateway.egress import Egress
from proxy.gateway.resolver import Resolver
from proxy.gateway.tls import Context, tls_context
from proxy.gateway.upstream_side import UpstreamSide

MAX_CONNECTIONS: Final = 256
MAX_PENDING: Final = 1024
FOREIGN_IDLE: Final = 4.0  # seconds; common servers close after 5
DJANGO_IDLE: Final = 60.0
MAX_AGE: Final = 600.0  # seconds; a balancer behind the address can move what is new
AGE_SPREAD: Final = 0.1  # so that those made together do not end together
RETRY_SHARE: Final = 0.2  # of the active requests
MIN_RETRIES: Final = 3


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


class Pool:
    """``open`` counts standing and rising connections; nobody dials without having counted.
    ``retries``: requests that run for the second time. ``egress``: judges every address before
    it is dialled; None where the operator's own setting names the place, as Django's does."""

    __slots__ = (
        "context",
        "egress",
        "endpoint",
        "idle",
        "loop",
        "max_idle",
        "open",
        "resolver",
        "retries",
        "used_at",
        "waiting",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        max_idle: float,
        egress: Egress | None = None,
    ) -> None:
        self.loop = loop
        self.egress = egress
        self.endpoint = endpoint
        self.max_idle = max_idle
        self.context: Context | None = tls_context(endpoint.tls) if endpoint.tls else None
        self.resolver = Resolver(loop, endpoint.host)
        self.idle: list[UpstreamSide] = []
        self.open = self.retries = 0
        self.used_at = loop.time()
        self.waiting: deque[asyncio.Future[UpstreamSide | None]] = deque()

    def take(self) -> UpstreamSide | None:
        """A connection that stands and is not too old, at once; None if there is none."""
        now = self.loop.time()
        while self.idle:
            side = self.idle.pop()
            if side.is_open() and now < side.idle_until:
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
        """The caller has counted it; what comes back may have been closed again already."""
        try:
            async with asyncio.timeout_at(deadline):
                side = await self.connect_somewhere(deadline)
        except BaseException:
            self.free_place()
            raise
        side.is_counted = True
        side.retires_at = self.loop.time() + MAX_AGE * uniform(1 - AGE_SPREAD, 1)  # noqa: S311  no secret
        if side.is_lost:
            self.forget(side)
        return side

    async def connect_somewhere(self, deadline: float) -> UpstreamSide:
        """Each address in turn, with an equal share of the time that is left. What is judged is
        what is dialled: nobody looks the name up in between (DNS rebinding)."""
        left = list(await self.resolver.addresses())
        if self.egress is not None:
            left = self.egress.permitted(self.endpoint.host, left)
        while True:
            address = left.pop(0)
            now = self.loop.time()
            try:
                async with asyncio.timeout_at(now + (deadline - now) / (len(left) + 1)):
                    return await self.connect(address)
            except OSError:  # a time-out is one
                self.resolver.put_last(address)
                if not left:
                    raise

    async def connect(self, address: str) -> UpstreamSide:
        side = UpstreamSide(self, address)
        place = self.endpoint
        protocol = cast("asyncio.Protocol", side)  # by its methods
        try:
            if place.path:
                await self.loop.create_unix_connection(lambda: protocol, place.path)
            else:
                await self.loop.create_connection(
                    lambda: protocol,
                    address,
                    place.port,
                    ssl=self.context,
                    server_hostname=place.host if self.context else None,
                )
        except BaseException:
            side.abort()
            raise
        return side

    def release(self, side: UpstreamSide) -> None:
        """A connection whose exchange ended well: to the longest waiting, or kept."""
        now = self.loop.time()
        side.idle_since = now
        side.idle_until = now + side.max_idle
        if self.is_spent(side, now):
            side.abort()
            return
        while self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                future.set_result(side)
                return
        self.idle.append(side)

    def is_spent(self, side: UpstreamSide, now: float) -> bool:
        """Idle too long, too old, or to where the name leads no more."""
        if now >= side.idle_until or now >= side.retires_at:
            return True
        return side.address not in self.resolver.known

    def keep_session(self, side: UpstreamSide) -> None:
        """For the next handshake; called when the first answer of a connection has come."""
        connection = side.transport.get_extra_info("ssl_object")
        if self.context is not None and connection is not None:
            self.context.keep(self.endpoint.host, connection)

    def forget(self, side: UpstreamSide) -> None:
        """Called for every connection that ends."""
        if not side.is_counted:
            return
        side.is_counted = False
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

    def may_retry(self) -> bool:
        """A dying upstream must not be asked for twice as much."""
        active = self.open - len(self.idle) + len(self.waiting)
        return self.retries < max(MIN_RETRIES, active * RETRY_SHARE)

    def sweep(self, now: float) -> None:
        if self.open and now >= self.resolver.fresh_until:
            self.resolver.renew()
        for side in [side for side in self.idle if self.is_spent(side, now)]:
            self.idle.remove(side)
            side.abort()

    def close(self) -> None:
        for side in tuple(self.idle):
            side.abort()
