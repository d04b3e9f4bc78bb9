"""One connection to Valkey: commands go out at once, replies come in their order (RESP 2)."""

import asyncio
from collections import deque
from typing import Any, Final, cast

from apikeys.gate.outage import TIMEOUT_SECONDS
from apikeys.gate.shapes import Fits, anything

Word = str | int
LATE_SECONDS: Final = 0.02  # later than it was due: our own loop stood still
LONGEST_SECONDS: Final = 1.0  # for any one reply, while others come
MOST_BYTES: Final = 1_048_576  # of a reply that is not whole; the longest has some thousand
MISSING: Final = object()
KINDS: Final = frozenset((b"+", b"-", b"$"))  # and numbers and lists


class LinkError(Exception):
    """Valkey refused, or said what nobody understands, or its connection is gone."""


class Link(asyncio.Protocol):
    """It has failed when no whole reply comes for TIMEOUT_SECONDS while one is waited for and our
    own loop runs, when one has been waited for LONGEST_SECONDS, or by what is no reply to us."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        # Since when, and what fits.
        self.waiting: deque[tuple[asyncio.Future[Any], float, Fits]] = deque()
        self.buffer = b""
        self.ended = False
        self.progress = 0.0  # when a reply came last, or when the first began to wait
        self.stood_still = 0.0  # our own loop, until then
        self.due = 0.0
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, *words: Word, fits: Fits = anything) -> "asyncio.Future[Any]":
        """Its reply; LinkError or TimeoutError instead. What does not fit ends the connection
        before anything later is read: replies may be one question off."""
        reply = self.loop.create_future()
        if self.ended:
            reply.set_exception(LinkError("the connection has ended"))
            return reply
        now = self.loop.time()
        if not self.waiting:
            self.progress = now
        self.waiting.append((reply, now, fits))
        self.transport.write(encode(words))
        if self.timer is None:
            self.check_at(self.progress + TIMEOUT_SECONDS)
        return reply

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        self.buffer += data
        try:
            self.read()
        except ValueError:
            self.break_off(LinkError("no reply to what was asked"))
        else:
            if len(self.buffer) > (MOST_BYTES if self.waiting else 0):
                self.break_off(LinkError("more than was asked for"))

    def read(self) -> None:
        """The replies that are whole. ValueError for what is none."""
        at = 0
        while self.waiting:
            value, end = parse(self.buffer, at)
            if value is MISSING:
                break
            at = end
            self.progress = self.loop.time()
            reply, _, fits = self.waiting[0]
            is_error = isinstance(value, LinkError)
            if not is_error and not fits(value):
                raise ValueError("it does not fit")
            self.waiting.popleft()
            if reply.done():
                continue
            if is_error:
                reply.set_exception(value)
            else:
                reply.set_result(value)
        self.buffer = self.buffer[at:]

    def check_at(self, due: float) -> None:
        self.due = due
        self.timer = self.loop.call_at(due, self.check)

    def check(self) -> None:
        self.timer = None
        if not self.waiting or self.ended:
            return
        now = self.loop.time()
        if now > self.due + LATE_SECONDS:  # what came meanwhile was not read yet
            self.progress = self.stood_still = now
        since = max(self.waiting[0][1], self.stood_still)
        due = min(self.progress + TIMEOUT_SECONDS, since + LONGEST_SECONDS)
        if now < due:
            self.check_at(due)
        else:
            self.break_off(TimeoutError("no reply"))

    def break_off(self, error: Exception) -> None:
        self.transport.abort()
        self.end(error)

    def connection_lost(self, error: Exception | None) -> None:
        self.end(LinkError(str(error or "closed")))

    def end(self, error: Exception) -> None:
        self.ended = True
        while self.waiting:
            reply, *_ = self.waiting.popleft()
            if not reply.done():
                reply.set_exception(error)

    def close(self) -> None:
        self.ended = True
        self.transport.close()


def encode(words: tuple[Word, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        text = str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(parts)


def parse(data: bytes, at: int) -> tuple[Any, int]:
    """The reply that begins there and where it ends; MISSING while it is not whole. An error is
    a LinkError, as a value. ValueError for what is no reply."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return MISSING, at
    kind, line, after = data[at : at + 1], data[at + 1 : end], end + 2
    if kind == b":":
        return int(line), after
    if kind == b"*":
        return parse_list(data, after, int(line))
    if kind not in KINDS:
        raise ValueError("no reply")
    if kind == b"$":
        size = int(line)
        if size < 0:
            return None, after
        whole = after + size
        return (data[after:whole], whole + 2) if len(data) >= whole + 2 else (MISSING, at)
    return (LinkError(line.decode("latin-1")) if kind == b"-" else line), after


def parse_list(data: bytes, at: int, count: int) -> tuple[Any, int]:
    found: list[Any] = []
    for _ in range(count):
        if data.startswith(b"*", at):
            raise ValueError("none of our scripts replies with lists of lists")
        value, at = parse(data, at)
        if value is MISSING:
            return MISSING, at
        found.append(value)
    return found, at
