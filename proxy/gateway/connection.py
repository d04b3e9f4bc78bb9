"""A client's connection as such: writing, pausing, deadlines, closing; knows nothing of framing."""

import asyncio
import contextlib
import socket
import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, cast

from momentry.common import request_id
from proxy.gateway import rejected
from proxy.gateway.answers import refusal
from proxy.gateway.metrics import CONNECTIONS

if TYPE_CHECKING:
    from proxy.gateway.core import Core
    from proxy.gateway.exchange import Exchange

HEAD: Final = 0  # waiting for a head, or in the middle of one
BODY: Final = 1  # a request runs and its body is not yet whole
WAIT: Final = 2  # a request runs; what arrives belongs to the next
LINGER: Final = 3  # answered and half closed; what arrives is thrown away
CLOSED: Final = 4
TUNNEL: Final = 5  # what arrives is the upstream's, without framing

HEAD_SECONDS: Final = 10.0
BODY_IDLE_SECONDS: Final = 30.0
KEEP_ALIVE_SECONDS: Final = 75.0
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 8 << 20
FLUSH_SECONDS: Final = 30.0  # for a client that does not take the rest of its answer
HALF_CLOSED_SECONDS: Final = 0.5  # a client that ended its side may still read a quick answer
NEVER: Final = float("inf")
TCP_CLOSE: Final = 7  # the states of tcp(7) on Linux
TCP_CLOSE_WAIT: Final = 8
TCP_INFO: Final = getattr(socket, "TCP_INFO", 0)


class Connection(ABC):
    __slots__ = (
        "buffer",
        "core",
        "deadline",
        "ended",
        "exchange",
        "flowing",
        "full",
        "gone_since",
        "idle_since",
        "left",
        "paused",
        "peer",
        "phase",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, core: "Core") -> None:
        self.core = core
        self.buffer = bytearray()
        self.phase = HEAD
        self.left = 0  # body bytes to come; bytes thrown away in LINGER
        self.exchange: Exchange | None = None
        self.flowing = False  # the body goes on as it comes
        self.paused = False
        self.full = False  # the client does not take what we write
        self.ended = False  # it sent its last byte
        self.gone_since = NEVER  # when the kernel first said that nobody is there
        self.peer = ""
        self.deadline = NEVER
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self.idle_since = self.core.loop.time()
        self.deadline = self.idle_since + HEAD_SECONDS
        self.core.clients.add(self)
        self.core.metrics.counts[CONNECTIONS] += 1
        self.core.places.admit(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.phase = CLOSED
        self.flowing = False
        self.core.clients.discard(self)
        self.core.places.lost(self)
        self.core.metrics.counts[CONNECTIONS] -= 1
        if self.exchange is not None:
            self.exchange.client_left()

    def waiting_bytes(self) -> int:
        """What is here and cannot go on yet, of both directions."""
        waiting = len(self.buffer) + self.transport.get_write_buffer_size()
        if self.exchange is None:
            return waiting
        side, held = self.exchange.side, len(self.exchange.held or b"")
        if self.exchange.metering is not None:
            held += self.exchange.metering.size()
        return waiting + held + (side.transport.get_write_buffer_size() if side is not None else 0)

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.full = True
        if self.exchange is not None:
            self.exchange.client_full(True)

    def resume_writing(self) -> None:
        self.full = False
        if self.exchange is not None:
            self.exchange.client_full(False)
        elif self.phase == HEAD:
            self.await_head()

    @abstractmethod
    def await_head(self) -> None:
        """Ready for the next request."""

    def pause(self) -> None:
        if not self.paused and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.paused and not self.transport.is_closing():
            self.paused = False
            self.transport.resume_reading()

    def upload_full(self, full: bool) -> None:
        """The upstream does not take more for now, or does again."""
        if full:
            self.pause()
            self.deadline = NEVER
        elif self.flowing or not self.buffer:
            self.resume()
            if self.flowing:
                self.deadline = self.core.loop.time() + BODY_IDLE_SECONDS

    def throw_away(self, data: bytes) -> None:
        self.left += len(data)
        if self.left > LINGER_BYTES:
            self.transport.abort()

    def close(self) -> None:
        """Everything was read: the answer goes out, then the end."""
        self.phase = CLOSED
        self.flowing = False
        self.deadline = self.core.loop.time() + FLUSH_SECONDS
        self.transport.close()

    def linger(self) -> None:
        """Half close and read on for a while: closing with unread input would be a reset, and a
        reset may destroy the answer before the client has read it (RFC 9112 §9.6)."""
        if self.transport.is_closing():
            return
        if self.ended:  # nothing is unread
            self.close()
            return
        self.phase = LINGER
        self.flowing = False
        self.left = 0
        self.buffer.clear()
        self.deadline = self.core.loop.time() + LINGER_SECONDS
        self.transport.write_eof()
        self.resume()
        self.core.places.linger(self)

    def cut(self, *, hard: bool) -> None:
        """End an answer that is not whole so that the client sees it. ``hard``: where the end of
        the connection would be the answer's regular end, only a reset tells the difference."""
        if hard:
            self.reset()
        else:
            self.close()

    def reset(self) -> None:
        """A close that lingers for no time is a reset (socket(7))."""
        found = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    def abort(self) -> None:
        self.phase = CLOSED
        self.deadline = NEVER
        self.flowing = False
        self.transport.abort()

    def reject(
        self, code: str, detail: str | None, seen: bytes | bytearray = b"", /, **extra: object
    ) -> None:
        """A refusal without an exchange: nothing of what was ``seen`` can be trusted."""
        identity = request_id.new()
        answer = refusal(code, identity, detail, **extra)
        self.write(answer.encode(identity, close=True))
        rejected.write(self, identity, answer, seen or self.buffer)
        self.linger()

    def check(self, now: float) -> None:
        """Called by the sweeper, four times a second."""
        if self.exchange is not None:
            self.exchange.check(now)
        if self.paused and self.has_left(now):
            self.transport.abort()
        elif now >= self.deadline:
            self.expire()
        elif self.core.draining and self.is_idle() and now >= self.idle_since + self.core.patience:
            self.close()

    def is_idle(self) -> bool:
        return self.phase == HEAD and not self.buffer

    def has_left(self, now: float) -> bool:
        """Nobody reads while we do not: the kernel is asked whether the other end is gone.

        One that ended only its own side looks the same and has HALF_CLOSED_SECONDS too.
        """
        if not TCP_INFO or self.transport.is_closing():
            return False
        found = self.transport.get_extra_info("socket")
        try:
            state = found.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 1)[0]
        except OSError:
            return False
        if state != TCP_CLOSE_WAIT:
            self.gone_since = NEVER
            return bool(state == TCP_CLOSE)
        self.gone_since = min(self.gone_since, now)
        return now >= self.gone_since + HALF_CLOSED_SECONDS

    def expire(self) -> None:
        self.deadline = NEVER
        if self.full:
            self.transport.abort()
        elif self.phase == HEAD and self.buffer:
            self.reject("request_timeout", "The header section took too long to arrive.")
        elif self.phase == HEAD:
            self.close()
        elif self.phase == BODY and self.exchange is not None and not self.ended:
            self.exchange.fail("request_timeout", "The body took too long to arrive.")
        else:  # half closed too long, done lingering, or never taking the rest
            self.transport.abort()
