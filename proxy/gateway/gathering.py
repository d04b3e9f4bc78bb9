"""A body for Django is gathered here first: whoever sends slowly holds none of its connections.

What is whole within ENOUGH bytes goes up in one piece; of more, the rest follows as it comes.
"""

from typing import TYPE_CHECKING, Final

from proxy.gateway import asking, verify
from proxy.gateway.answers import CONTINUE
from proxy.gateway.attempts import take_connection
from proxy.gateway.chunked import encode
from proxy.gateway.head import Fields

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

ENOUGH: Final = 65_536  # bytes


def begin(exchange: "Exchange") -> None:
    if not exchange.head.has_body:
        take_connection(exchange)
        return
    if exchange.head.expect_continue:
        exchange.client.write(CONTINUE)
    exchange.held = bytearray()
    exchange.client.start_body()


def more(exchange: "Exchange", size: int) -> None:
    """So much is held now."""
    if exchange.block:
        grown(exchange, size)
    elif exchange.metering is not None:
        asking.grown(exchange, exchange.metering, size)


def came(exchange: "Exchange", held: bytearray, trailers: Fields) -> None:
    """All of it is held."""
    if exchange.metering is not None:
        asking.whole(exchange, exchange.metering, held, trailers)
    elif exchange.block:
        whole(exchange)
    else:
        verify.body_came(exchange, bytes(held))


def grown(exchange: "Exchange", size: int) -> None:
    if size >= ENOUGH and exchange.connecting is None:
        exchange.client.upload_full(True)
        take_connection(exchange)


def whole(exchange: "Exchange") -> None:
    if exchange.connecting is None:
        take_connection(exchange)


def pour(exchange: "Exchange", held: bytearray) -> None:
    """The connection stands and has the head."""
    exchange.held = None
    exchange.client.upload_full(False)  # first: the write may say that it is full
    if exchange.side is not None and held:
        data = bytes(held)
        exchange.side.transport.write(encode(data) if exchange.head.chunked else data)
    if exchange.request_sent:
        exchange.request_end([] if exchange.metering is None else exchange.metering.trailers)
    else:
        exchange.touch()
