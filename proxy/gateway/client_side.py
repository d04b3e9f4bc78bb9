"""The protocol of one client's connection: a strictly sequential reader of requests."""

from typing import TYPE_CHECKING, Final

from proxy.gateway.chunked import ChunkedDecoder
from proxy.gateway.connection import (
    BODY,
    BODY_IDLE_SECONDS,
    CLOSED,
    FLUSH_SECONDS,
    HEAD,
    HEAD_SECONDS,
    KEEP_ALIVE_SECONDS,
    LINGER,
    NEVER,
    WAIT,
    Connection,
)
from proxy.gateway.exchange import Exchange
from proxy.gateway.head import BadMessage, RequestHead, find_end, parse_request

if TYPE_CHECKING:
    from proxy.gateway.core import Core

HELD_BYTES: Final = 65_536


class ClientSide(Connection):
    """head → body → answer → next head. A request that came early waits in the buffer."""

    __slots__ = ("decoder", "scanned")

    def __init__(self, core: "Core") -> None:
        super().__init__(core)
        self.scanned = 0
        self.decoder: ChunkedDecoder | None = None

    def data_received(self, data: bytes) -> None:
        try:
            if self.flowing:
                self.feed(data)
            elif self.phase == HEAD:
                self.grow_head(data)
            elif self.phase == LINGER:
                self.throw_away(data)
            else:
                self.buffer += data
                if self.phase == WAIT or len(self.buffer) > HELD_BYTES:
                    self.pause()
        except Exception as error:  # noqa: BLE001 - a defect costs one connection, not the process
            self.broke(error)

    def grow_head(self, data: bytes) -> None:
        if not self.buffer:  # empty lines before a request do not buy time
            self.deadline = min(self.deadline, self.core.loop.time() + HEAD_SECONDS)
        self.buffer += data
        self.read_head()

    def read_head(self) -> None:
        try:
            end = find_end(self.buffer, self.scanned)
            if end < 0:
                self.scanned = len(self.buffer)
                return
            head = parse_request(bytes(self.buffer[:end]))
        except BadMessage as error:
            self.reject(error.code, error.detail, **error.extra)
            return
        del self.buffer[:end]
        self.begin(head)

    def read_next(self) -> None:
        """A request that was already here when the one before it ended."""
        if self.phase != HEAD or self.transport.is_closing():
            return
        try:
            self.read_head()
        except Exception as error:  # noqa: BLE001 - as in data_received
            self.broke(error)

    def begin(self, head: RequestHead) -> None:
        self.scanned = 0
        self.deadline = NEVER
        self.left = head.content_length or 0
        self.decoder = ChunkedDecoder() if head.chunked else None
        self.phase = BODY if head.has_body else WAIT
        exchange = self.exchange = Exchange(self.core, self, head)
        exchange.begin()

    def start_body(self) -> None:
        """The exchange takes the body: what is held goes on, the rest as it comes."""
        if self.phase != BODY:
            return
        self.flowing = True
        held = bytes(self.buffer)
        self.buffer.clear()
        self.resume()
        self.feed(held)

    def feed(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        self.deadline = NEVER if self.paused else self.core.loop.time() + BODY_IDLE_SECONDS
        if self.decoder is None:
            self.feed_sized(exchange, data)
        elif data:
            self.feed_chunks(exchange, self.decoder, data)

    def feed_sized(self, exchange: Exchange, data: bytes) -> None:
        left = self.left
        piece = data if len(data) <= left else data[:left]
        self.left = left - len(piece)
        if piece:
            exchange.request_piece(piece)
        if not self.left and self.exchange is exchange and self.flowing:
            self.end_body(exchange, data[left:])

    def feed_chunks(self, exchange: Exchange, decoder: ChunkedDecoder, data: bytes) -> None:
        try:
            consumed = decoder.feed(data)
        except BadMessage as error:
            exchange.fail(error.code, error.detail)
            return
        for piece in decoder.pieces:
            if self.exchange is exchange:
                exchange.request_piece(piece)
        decoder.pieces.clear()
        if decoder.done and self.exchange is exchange and self.flowing:
            self.end_body(exchange, data[consumed:])

    def end_body(self, exchange: Exchange, rest: bytes) -> None:
        self.phase = WAIT
        self.flowing = False
        self.deadline = NEVER
        if rest:
            self.buffer += rest
            self.pause()
        exchange.request_end(self.decoder.trailers if self.decoder is not None else [])

    def skip_body(self) -> bool:
        """Is the request's body whole, if what is held here is thrown away? For answers that the
        body does not matter to."""
        if self.phase != BODY or self.flowing:
            return self.phase == WAIT
        if self.decoder is None:
            skipped = self.left if self.left <= len(self.buffer) else -1
        else:
            skipped = skip_chunks(self.decoder, bytes(self.buffer))
        if skipped < 0:
            return False
        del self.buffer[:skipped]
        self.phase = WAIT
        return True

    def exchange_over(self, close: bool) -> None:
        """The answer is written; ``close``: it said so, or its end is the connection's end."""
        self.exchange = None
        self.decoder = None
        if self.phase == CLOSED:
            return
        if self.phase == BODY or (close and self.paused):
            self.linger()
        elif close:
            self.close()
        else:
            self.await_head()

    def await_head(self) -> None:
        self.phase = HEAD
        self.flowing = False
        self.idle_since = self.core.loop.time()
        if self.full:  # else a client that reads nothing could pile up answer upon answer
            self.pause()
            self.deadline = self.idle_since + FLUSH_SECONDS
            return
        if self.ended and not self.buffer:  # its side is over: nothing more can come
            self.close()
            return
        self.resume()
        if self.buffer:
            self.deadline = self.idle_since + HEAD_SECONDS
            self.core.loop.call_soon(self.read_next)  # not now: a long pipeline is no recursion
        else:
            self.deadline = self.idle_since + KEEP_ALIVE_SECONDS

    def broke(self, error: BaseException) -> None:
        if self.exchange is not None:
            self.exchange.broke(error)
        else:
            self.core.report("a client connection failed", error)
            self.abort()


def skip_chunks(decoder: ChunkedDecoder, data: bytes) -> int:
    """How many bytes the body took; -1 when it is not whole or not valid."""
    try:
        consumed = decoder.feed(data)
    except BadMessage:
        return -1
    decoder.pieces.clear()
    return consumed if decoder.done else -1
