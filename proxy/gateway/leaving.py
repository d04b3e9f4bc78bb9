"""What an upstream says of its connection's end: how long it waits, and what it said last."""

import contextlib
import os
import re
import socket
from typing import TYPE_CHECKING, Final

from proxy.gateway.response import ResponseHead

if TYPE_CHECKING:
    from proxy.gateway.upstream_side import UpstreamSide

KEEP_ALIVE: Final = b"keep-alive"
MAX_IDLE: Final = 60.0  # seconds, however long an upstream says that it waits
IDLE_MARGIN: Final = 1.0  # below what it says: a request may be under way
TIMEOUT: Final = re.compile(rb"(?:^|[,;\t ])timeout *= *\"?([0-9]{1,9})", re.IGNORECASE)
REST_BYTES: Final = 65_536


def idle_of(head: ResponseHead, usual: float) -> float:
    """How long its connection may wait for the next request: below what ``Keep-Alive: timeout=N``
    says, whether that is less than usual or more."""
    for name, value in head.headers:
        if name == KEEP_ALIVE and (found := TIMEOUT.search(value)):
            return min(float(found[1]) - IDLE_MARGIN, MAX_IDLE)
    return usual


def note_idle(side: "UpstreamSide", head: ResponseHead) -> None:
    if KEEP_ALIVE in head.nominated:
        side.max_idle = idle_of(head, side.max_idle)


def note_session(side: "UpstreamSide") -> None:
    """After its first answer: TLS 1.3 sends tickets with it."""
    if side.pool.context is not None and not side.idle_since:
        side.pool.keep_session(side)


def read_rest(side: "UpstreamSide") -> None:
    """A write failed, for the upstream has closed. What it said before that is still in the
    kernel: an answer given without reading the whole request."""
    if side.pool.endpoint.tls:
        return
    number = side.transport.get_extra_info("socket").fileno()
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as own:
        own.setblocking(False)
        while side.exchange is not None and (data := own.recv(REST_BYTES)):
            side.data_received(data)
