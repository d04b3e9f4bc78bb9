"""Where requests wait for a connection, who only waits for its own client makes room for them."""

from time import monotonic
from typing import TYPE_CHECKING, Final

from proxy.gateway.connection import BODY, Connection

if TYPE_CHECKING:
    from proxy.gateway.core import Core
    from proxy.gateway.exchange import Exchange
    from proxy.gateway.pool import Pool

STILL_SECONDS: Final = 3.0  # shorter than others wait for a connection, unless they say less
LEAST_RATE: Final = 1024.0  # bytes a second of a body, from the request's beginning on


def make_room(core: "Core", now: float) -> None:
    """Called by the sweeper, four times a second."""
    wanted = {
        pool: len(pool.waiting) for pool in (core.django, *core.pools.values()) if pool.waiting
    }
    if wanted:
        for client in tuple(core.clients):
            yield_place(client, wanted, now)


def yield_place(client: Connection, wanted: "dict[Pool, int]", now: float) -> None:
    """No more give up theirs than there are others who wait."""
    exchange = client.exchange
    if exchange is None or exchange.side is None or not wanted.get(exchange.pool):
        return
    still = now - (exchange.deadline - exchange.timeouts[2])  # the idle time began when it moved
    if client.full and still >= STILL_SECONDS:
        exchange.fail("request_timeout", "The client did not take the answer, and others wait.")
    elif does_not_send(exchange, still):
        exchange.fail("request_timeout", "The body came too slowly, and others wait.")
    else:
        return
    wanted[exchange.pool] -= 1


def does_not_send(exchange: "Exchange", still: float) -> bool:
    """A body that stands still, or that comes slowly on the whole."""
    client, seconds = exchange.client, monotonic() - exchange.started
    if client.phase != BODY or client.paused or seconds < STILL_SECONDS:
        return False
    return still >= STILL_SECONDS or exchange.bytes_in < LEAST_RATE * seconds
