"""The protocol of one connection to an upstream or to Django: response heads and bodies, reuse."""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from proxy.gateway.blocks import whole_head
from proxy.gateway.chunked import ChunkedDecoder
from proxy.gateway.head import BadMessage, Fields
from proxy.gateway.leaving import note_idle, note_session, read_rest
from proxy.gateway.response import SWITCHING, ResponseHead, find_end, parse_response

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange
    from proxy.gateway.pool import Pool

IDLE: Final = 0
HEAD: Final = 1
SIZED: Final = 2
CHUNKED: Final = 3
UNTIL_CLOSE: Final = 4
TUNNEL: Final = 5

MAX_INTERIM: Final = 16  # 1xx answers before the real one


class UpstreamSide:
    """Serves one exchange at a time; tells it what arrives, and that the connection ended."""

    __slots__ = (
        "address",
        "buffer",
        "decoder",
        "exchange",
        "idle_since",
        "idle_until",
        "interims",
        "is_counted",
        "is_lost",
        "keeps",
        "left",
        "max_idle",
        "phase",
        "pool",
        "retires_at",
        "scanned",
        "transport",
        "was_made",
    )

    transport: asyncio.Transport

    def __init__(self, pool: "Pool", address: str) -> None:
        self.pool = pool
        self.address = address
        self.exchange: Exchange | None = None
        self.buffer = bytearray()
        self.phase = IDLE
        self.left = self.interims = self.scanned = 0
        self.decoder: ChunkedDecoder | None = None
        self.keeps = False
        self.max_idle = pool.max_idle
        self.idle_since = self.idle_until = self.retires_at = 0.0
        self.was_made = self.is_lost = False
        self.is_counted = False  # among the pool's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.was_made = True

    def is_open(self) -> bool:
        return self.was_made and not self.transport.is_closing()

    def is_flushed(self) -> bool:
        return self.is_open() and not self.transport.get_write_buffer_size()

    def abort(self) -> None:
        self.exchange = None
        if self.was_made:
            self.transport.abort()

    def start(self, exchange: "Exchange") -> None:
        self.exchange = exchange
        self.phase = HEAD
        self.interims = self.scanned = 0

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:  # nobody asked: whatever it is, no later request may read it
            self.transport.abort()
            return
        try:
            self.read(exchange, data)
        except BadMessage as error:
            exchange.upstream_failed(error.detail)
        except Exception as defect:  # noqa: BLE001  one connection must not end the process
            exchange.broke(defect)

    def read(self, exchange: "Exchange", data: bytes) -> None:
        if self.phase != HEAD:
            self.read_body(exchange, data)
            return
        if not self.buffer and (end := whole_head(data)):
            self.read_whole(exchange, data, end)
            return
        self.read_more(exchange, data)

    def read_whole(self, exchange: "Exchange", data: bytes, end: int) -> None:
        """A head that came in one piece; with it, as a rule, all of the answer."""
        head = parse_response(data[:end], exchange.head.method, may_switch=bool(exchange.nonce))
        size = len(data) - end
        whole = head.status >= 200 and not (head.chunked or head.until_close)
        if not whole or size != (0 if head.bodiless else head.content_length or 0):
            self.read_head(exchange, head)
            if self.exchange is exchange:
                (self.read_more if self.phase == HEAD else self.read_body)(exchange, data[end:])
            return
        self.exchange = None
        self.phase = IDLE
        note_idle(self, head)
        note_session(self)
        keeps = head.keep_alive and exchange.request_sent and self.is_flushed()
        exchange.response_whole(head, data[end:], self.release if keeps else self.abort)

    def release(self) -> None:
        self.pool.release(self)

    def read_more(self, exchange: "Exchange", data: bytes) -> None:
        self.buffer += data
        while self.phase == HEAD:
            end = find_end(self.buffer, self.scanned)
            if end < 0:
                self.scanned = len(self.buffer)
                return
            self.scanned = 0
            head = parse_response(
                bytes(self.buffer[:end]), exchange.head.method, may_switch=bool(exchange.nonce)
            )
            del self.buffer[:end]
            self.read_head(exchange, head)
        rest = bytes(self.buffer)
        self.buffer.clear()
        if self.exchange is exchange:
            self.read_body(exchange, rest)

    def read_head(self, exchange: "Exchange", head: ResponseHead) -> None:
        if head.interim:  # which buys no time
            self.interims += 1
            if self.interims > MAX_INTERIM:
                raise BadMessage("upstream_failed", "The upstream sent too many interim answers.")
            exchange.interim(head)
            return
        exchange.touch()
        self.keeps = head.keep_alive
        note_idle(self, head)
        self.left = 0
        if head.status == SWITCHING:
            self.phase = TUNNEL
            exchange.switched(head)
            return
        if head.chunked:
            self.phase = CHUNKED
            self.decoder = ChunkedDecoder("upstream_failed")
        elif head.until_close:
            self.phase = UNTIL_CLOSE
        else:
            self.phase = SIZED
            self.left = 0 if head.bodiless else head.content_length or 0
        exchange.response_head(head)

    def read_body(self, exchange: "Exchange", data: bytes) -> None:
        exchange.touch()
        if self.phase == SIZED:
            size = len(data)
            surplus = size > self.left
            piece = data[: self.left] if surplus else data
            self.left -= len(piece)
            if piece:
                exchange.response_piece(piece)
            if not self.left:
                self.complete(exchange, [], surplus=surplus)
        elif self.phase == CHUNKED:
            self.read_chunks(exchange, data)
        elif data and exchange.tunnel is not None:
            exchange.tunnel.down(data)
        elif data:
            exchange.response_piece(data)

    def read_chunks(self, exchange: "Exchange", data: bytes) -> None:
        decoder = self.decoder
        if decoder is None or not data:
            return
        try:
            consumed = decoder.feed(data)
        finally:  # what came before the fault was real: it is passed on, then the fault shows
            for piece in decoder.pieces:
                exchange.response_piece(piece)
            decoder.pieces.clear()
        if decoder.done:
            self.complete(exchange, decoder.trailers, surplus=consumed < len(data))

    def complete(self, exchange: "Exchange", trailers: Fields, *, surplus: bool) -> None:
        if self.exchange is not exchange:
            return
        self.exchange = None
        self.decoder = None
        self.phase = IDLE
        note_session(self)
        if self.keeps and not surplus and exchange.request_sent and self.is_flushed():
            self.transport.resume_reading()
            self.pool.release(self)
        else:
            self.transport.abort()
        exchange.response_end(trailers)

    def eof_received(self) -> None:
        self.ended(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        if error is not None and self.exchange is not None and not self.exchange.request_sent:
            read_rest(self)
        if error is None and self.pool.context is not None:
            error = ConnectionResetError()  # over TLS a regular end is eof_received()
        self.ended(error)
        self.pool.forget(self)

    def ended(self, error: Exception | None) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        if self.phase == UNTIL_CLOSE and error is None:
            self.keeps = False
            self.complete(exchange, [], surplus=False)
        elif self.phase == TUNNEL:
            self.exchange = None
            exchange.tunnel_over()
        else:
            self.exchange = None
            exchange.upstream_lost(self.phase == HEAD and not self.buffer and not self.interims)

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_full(True)

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_full(False)
