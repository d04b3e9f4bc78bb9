"""How redis-py reads what Valkey replies to Django: by the gateway's rules and bounds.

Its own parsers give each piece of a reply a new time-out, set up whatever length a reply claims to
have, and keep what was said too much for the next question.
"""

import select
import socket
import time
from typing import Any

from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import InvalidResponse, ResponseError

from apikeys.gate.link import (
    LATE_SECONDS,
    LONGEST_SECONDS,
    MISSING,
    MOST_BYTES,
    LinkError,
    parse,
)
from apikeys.gate.outage import TIMEOUT_SECONDS

CHUNK = 65_536


class Reader:
    """For connections that speak RESP 2 and ask one question at a time."""

    def __init__(self, socket_read_size: int) -> None:
        self.socket: socket.socket | None = None

    def on_connect(self, connection: AbstractConnection) -> None:
        self.socket = connection._sock  # noqa: SLF001  parsers are given no other way to it

    def on_disconnect(self) -> None:
        self.socket = None

    def can_read(self, timeout: float = 0) -> bool:
        """Between questions: has it ended, or said what nobody asked?"""
        poll = select.poll()
        poll.register(self.opened, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    @property
    def opened(self) -> socket.socket:
        if self.socket is None:
            raise Disconnected("closed")
        return self.socket

    def read_response(self, **_: object) -> Any:
        """The one reply; an error is a ResponseError, as a value. TimeoutError, InvalidResponse or
        ConnectionError when there is none: then redis-py ends the connection."""
        wire, began, data = self.opened, time.monotonic(), b""
        value, end = MISSING, 0
        while value is MISSING:
            data += receive(wire, began)
            try:
                value, end = parse(data, 0)
            except ValueError as error:
                raise InvalidResponse("no reply of Valkey's") from error
            if value is MISSING and len(data) > MOST_BYTES:
                raise InvalidResponse("too long")
        if end < len(data):
            raise InvalidResponse("more than was asked for")
        wire.settimeout(TIMEOUT_SECONDS)
        return ResponseError(str(value)) if isinstance(value, LinkError) else value


def receive(wire: socket.socket, began: float) -> bytes:
    """What came meanwhile is read even when this thread stood still for too long."""
    waited = time.monotonic() - began
    if waited > LONGEST_SECONDS:
        raise TimeoutError
    wire.settimeout(max(LATE_SECONDS, TIMEOUT_SECONDS - waited))
    data = wire.recv(CHUNK)
    if not data:
        raise Disconnected("closed")
    return data
