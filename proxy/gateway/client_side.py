"""The protocol of one client's connection: a strictly sequential reader of requests."""

from typing import TYPE_CHECKING, Final

from proxy.gateway import half_closed, passages
from proxy.gateway.blocks import find_end, whole_head
from proxy.gateway.chunked import ChunkedDecoder, skip_chunks
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
    TUNNEL,
    WAIT,
    Connection,
)
from proxy.gateway.exchange import Exchange
from proxy.gateway.head import BadMessage, RequestHead, parse_request

if TYPE_CHECKING:
    from proxy.gateway.core import Core
    from proxy.gateway.passages import Shown

HELD_BYTES: Final = 65_536


class ClientSide(Connection):
    """head → body → answer → next head. A request that came early waits in the buffer."""

    __slots__ = ("decoder", "scanned", "shown")

    def __init__(self, core: "Core") -> None:
        super().__init__(core)
        self.scanned = 0
        self.decoder: ChunkedDecoder | None = None
        self.shown: Shown | None = None  # the head that is read now, if it came whole

    def data_received(self, data: bytes) -> None:
        try:
            if self.flowing:
                self.feed(data)
            elif self.phase == HEAD:
                self.grow_head(data)
            elif self.phase == TUNNEL:
                self.tunnel_up(data)
            elif self.phase == LINGER:
                self.throw_away(data)
            else:
                self.buffer += data
                if self.phase == WAIT or len(self.buffer) > HELD_BYTES:
                    self.pause()
        except Exception as error:  # noqa: BLE001 - a defect costs one connection, not the process
            self.broke(error)

    def eof_received(self) -> bool:
        return half_closed.end(self)

    def grow_head(self, data: bytes) -> None:
        if not self.buffer:
            if end := whole_head(data):
                self.take_whole(data[:end], data[end:])
                return
            # Empty lines before a request do not buy time.
            self.deadline = min(self.deadline, self.core.loop.time() + HEAD_SECONDS)
        self.buffer += data
        self.read_head()

    def take_whole(self, block: bytes, rest: bytes) -> None:
        """A head that came in one piece, and what came with it."""
        self.buffer += rest
        self.shown = passages.show(self, block)
        if self.shown is None or not passages.take(self, self.shown, block):
            self.take_head(block)
        self.shown = None  # whatever follows is another head

    def read_head(self) -> None:
        try:
            end = find_end(self.buffer, self.scanned)
        except BadMessage as error:
            self.reject(error.code, error.detail, **error.extra)
            return
        if end < 0:
            self.scanned = len(self.buffer)
            if self.ended:  # it never will be a head
                self.close()
            return
        block = bytes(self.buffer[:end])
        del self.buffer[:end]
        self.take_head(block)

    def take_head(self, block: bytes) -> None:
        try:
            head = parse_request(block)
        except BadMessage as error:
            self.reject(error.code, error.detail, block, **error.extra)
        else:
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
        self.deadline = half_closed.patience(self) if self.ended else NEVER
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
        if self.ended:
            half_closed.body_fed(self)

    def start_tunnel(self) -> None:
        """What came since the request's head was the first of it."""
        self.phase = TUNNEL
        held = bytes(self.buffer)
        self.buffer.clear()
        self.resume()
        self.tunnel_up(held)

    def tunnel_up(self, data: bytes) -> None:
        if self.exchange is not None and self.exchange.tunnel is not None:
            self.exchange.tunnel.up(data)

    def take_body(self) -> bytes | None:
        """The whole body, when it came with its head and nothing came after it. Else None, and
        start_body() must be called."""
        if self.phase != BODY or self.decoder is not None or len(self.buffer) != self.left:
            return None
        body = bytes(self.buffer)
        self.buffer.clear()
        self.phase = WAIT
        self.resume()
        return body

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
        self.gone_since = NEVER
        (self.pause if len(self.buffer) > HELD_BYTES else self.resume)()
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
