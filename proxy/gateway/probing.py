"""Asks targets whether they are well: who is out, and all of an upstream with a health path.

A probe goes the way of a request: same addresses, same egress rules, same TLS, same credential.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from momentry.common.ids import uuid7_text
from proxy.gateway.clients import Client
from proxy.gateway.exchange import Exchange
from proxy.gateway.facts import NEVER
from proxy.gateway.head import Fields, RequestHead, parse_request
from proxy.gateway.hygiene import Caller, to_upstream
from proxy.gateway.pool import PoolBusyError
from proxy.gateway.response import ResponseHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.gateway.core import Core
    from proxy.gateway.upstream_side import UpstreamSide
    from proxy.gateway.upstreams import Target, Upstream

AGAIN: Final = 0.5  # seconds between two probes of a target that is out
CONNECT_SECONDS: Final = 1.0  # who is out is tried anew rather than waited for
ANSWER_SECONDS: Final = 5.0
WELL: Final = range(200, 400)
NOBODY: Final = Client(address="127.0.0.1", scheme=b"http", host=b"")
HEAD: Final = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Probe(Exchange):
    """What an upstream's side calls as the answer comes: an exchange without a client, of which
    nothing is there but what a side asks for."""

    __slots__ = ("done",)

    def __init__(self, loop: asyncio.AbstractEventLoop, head: RequestHead) -> None:
        self.head = head
        self.nonce = b""
        self.request_sent = True
        self.tunnel = None
        self.done: asyncio.Future[int] = loop.create_future()

    def tell(self, status: int) -> None:
        if not self.done.done():
            self.done.set_result(status)

    def touch(self) -> None:
        """Its time is bounded from outside."""

    def interim(self, response: ResponseHead) -> None:
        """Says nothing yet."""

    def response_whole(
        self, response: ResponseHead, body: bytes, leave: "Callable[[], None]"
    ) -> None:
        leave()
        self.tell(response.status)

    def response_head(self, response: ResponseHead) -> None:
        self.tell(response.status)

    def response_piece(self, data: bytes) -> None:
        """Nobody reads it."""

    def response_end(self, trailers: Fields) -> None:
        """It was told at the head."""

    def upstream_full(self, full: bool) -> None:
        """A head of a few hundred bytes fills nobody."""

    def upstream_failed(self, detail: str | None) -> None:
        self.tell(0)

    def upstream_lost(self, untouched: bool) -> None:
        self.tell(0)

    def broke(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


async def ask(core: "Core", upstream: "Upstream", target: "Target") -> None:
    """One probe; what it finds is noted."""
    pool = core.pool(target.endpoint)
    is_out = bool(target.health.since)
    patience = min(upstream.connect, CONNECT_SECONDS) if is_out else upstream.connect
    try:
        side = await pool.acquire(patience)
    except PoolBusyError:
        return  # who has so much to do needs no probe
    except (TimeoutError, OSError):
        target.health.failed("no connection", core.loop.time(), provable=True)
        return
    if not upstream.health_path:
        pool.release(side)
        target.health.proved(core.loop.time())
        return
    sent = target if target.turns is None else target.turns.take()
    status = await answer_of(core, upstream, sent, side)
    if sent.turns is not None and sent.turns.blames(sent, status):
        return  # another one is asked with next
    if status in WELL:
        target.health.proved(core.loop.time())
    else:
        reason = f"its health path answered {status}" if status else "no answer to its health path"
        target.health.failed(reason, core.loop.time(), provable=True)


async def answer_of(
    core: "Core", upstream: "Upstream", target: "Target", side: "UpstreamSide"
) -> int:
    """The status, or 0 for no answer that could be read in time."""
    probe = Probe(core.loop, parse_request(HEAD % upstream.health_path))
    side.start(probe)
    caller = Caller(uuid7_text().encode(), NOBODY)
    side.transport.write(to_upstream(probe.head, probe.head.path, target.destination, caller))
    try:
        async with asyncio.timeout(min(upstream.first_byte, ANSWER_SECONDS)):
            return await probe.done
    except TimeoutError:
        return 0
    finally:
        if side.exchange is not None:
            side.abort()


def due(upstream: "Upstream", target: "Target", now: float) -> float:
    """When it is to be asked next; NEVER for who is in and has no health path."""
    health = target.health
    if health.since:
        return health.asked_at + AGAIN if health.is_provable or upstream.health_path else NEVER
    return health.asked_at + upstream.health_interval if upstream.health_path else NEVER
