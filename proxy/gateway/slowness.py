"""Requests that took long: counted, and said in the process's log, some a second."""

from typing import TYPE_CHECKING, Final

from proxy.gateway.core import logger
from proxy.gateway.hygiene import Framing
from proxy.gateway.metrics import SLOW

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

LINES: Final = 10  # of one second
ENDLESS: Final = frozenset((Framing.CHUNKED, Framing.CLOSE))
NEVER: Final = float("inf")


class Slowness:
    """``seconds``: from when on a request is slow; infinite for never."""

    __slots__ = ("lines", "second", "seconds")

    def __init__(self, milliseconds: int) -> None:
        self.seconds = milliseconds / 1000 if milliseconds else NEVER
        self.second = 0.0
        self.lines = 0

    def look(self, exchange: "Exchange", elapsed: float) -> None:
        """Called at the end of one that took so long in all. Of an answer whose length nobody
        announced, a stream as a rule, and of a WebSocket only the first byte can be late. A long
        poll was not slow while it waited."""
        first = elapsed if exchange.first_byte is None else exchange.first_byte - exchange.started
        is_stream = exchange.framing in ENDLESS or exchange.tunnel is not None
        if min(first if is_stream else elapsed, elapsed - exchange.waited) < self.seconds:
            return
        exchange.core.metrics.counts[SLOW] += 1
        if self.has_room(exchange.started + elapsed):
            say(exchange, first, elapsed)

    def has_room(self, now: float) -> bool:
        if now >= self.second + 1:
            self.second = now
            self.lines = 0
        self.lines += 1
        return self.lines <= LINES


def say(exchange: "Exchange", first: float, elapsed: float) -> None:
    """No path: it is the client's own words, and the request log has it."""
    logger.warning(
        {
            "event": "slow request",
            "request_id": exchange.id,
            "upstream": exchange.route.slug.decode(),
            "operation": exchange.operation,
            "status": exchange.status,
            "first_byte_ms": None if exchange.first_byte is None else round(first * 1000, 1),
            "total_ms": round(elapsed * 1000, 1),
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
        }
    )
