"""A WebSocket after its handshake: what one side sends goes to the other, until one ends."""

from time import monotonic
from typing import TYPE_CHECKING, Final

from proxy.gateway import attempts
from proxy.gateway.facts import NEVER
from proxy.gateway.frames import Frames, close_frame
from proxy.gateway.head import BadMessage
from proxy.gateway.hygiene import to_client
from proxy.gateway.response import ResponseHead
from proxy.gateway.upgrade import is_accepted, switching

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

POLICY_VIOLATION: Final = 1008
# Why it is cut, in the words of RFC 6455 §7.4 and its registry; else a limit or right is gone.
CLOSE_CODES: Final = {
    "overloaded": 1012,
    "upstream_timeout": 1001,
    "request_timeout": 1001,
    "database_unavailable": 1013,
    "internal_error": 1011,
}


class Tunnel:
    """Nothing of the frames is changed; those for the client are followed, so that one of our own
    can only stand between two of them."""

    __slots__ = ("exchange", "frames")

    def __init__(self, exchange: "Exchange") -> None:
        self.exchange = exchange
        self.frames = Frames()

    def up(self, data: bytes) -> None:
        exchange = self.exchange
        exchange.bytes_in += len(data)
        if exchange.side is not None:
            exchange.touch()
            exchange.side.transport.write(data)

    def down(self, data: bytes) -> None:
        exchange = self.exchange
        exchange.bytes_out += len(data)
        self.frames.feed(data)
        exchange.client.write(data)

    def say_why(self, code: str) -> None:
        """Last words to the client, where it can read them as such."""
        if self.frames.is_whole and not self.frames.is_closed:
            self.exchange.client.write(close_frame(CLOSE_CODES.get(code, POLICY_VIOLATION), code))


def begin(exchange: "Exchange", response: ResponseHead) -> None:
    """The upstream answered 101. Raises BadMessage when it was not to this client."""
    if not is_accepted(response, exchange.nonce):
        raise BadMessage("upstream_failed", "The upstream's WebSocket handshake is wrong.")
    exchange.rewrite(response)
    head = to_client(
        response,
        version=exchange.head.version,
        request_id=exchange.id.encode(),
        limits=exchange.limits(),
        foreign=True,
    )
    if exchange.load is not None:
        exchange.load.succeeded()
    if exchange.tried:
        attempts.arrived(exchange)
    exchange.status = response.status
    exchange.first_byte = monotonic()
    exchange.total_deadline = NEVER  # only the idle time bounds it
    exchange.tunnel = Tunnel(exchange)
    exchange.client.write(switching(head))
    exchange.client.start_tunnel()
