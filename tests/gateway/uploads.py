"""Uploads that are sent in two halves, and an upstream that says which of them came whole."""

import hashlib
import threading
from collections import Counter
from typing import NamedTuple

from tests.gateway.processes import request
from tests.gateway.wire import LENGTH, Cut, Server, Wire, unchunk

LARGE = 300_000  # bytes: more than is gathered for Django, and than a socket takes at once
SMALL = 10
FRAMINGS = ("sized", "chunked")
PATIENCE = 60.0


class Upload(NamedTuple):
    """``first`` with the head; ``rest`` makes it whole."""

    head: bytes
    first: bytes
    rest: bytes
    body: bytes


def upload(path: str, key: str, framing: str, size: int, *fields: str, body: bytes = b"") -> Upload:
    """Of two halves; chunked, all but the last chunk stands in the first."""
    body = body or hashlib.sha256(path.encode()).digest() * (size // 32 + 1)
    body = body[:size]
    if framing == "chunked":
        head = request("POST", path, key, "Transfer-Encoding: chunked", *fields)
        half = size // 2
        chunks = [b"%x\r\n%b\r\n" % (len(one), one) for one in (body[:half], body[half:])]
        return Upload(head, b"".join(chunks), b"0\r\n\r\n", body)
    head = request("POST", path, key, f"Content-Length: {size}", *fields)
    return Upload(head, body[:-1], body[-1:], body)


class Desk:
    """Takes uploads at any path that it is told; ``whole`` and ``cut`` count them by path."""

    def __init__(self, *servers: Server) -> None:
        self.servers = servers
        self.lock = threading.Lock()
        self.whole: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        self.begun: Counter[str] = Counter()

    def at(self, path: str) -> str:
        for server in self.servers:
            server.on(path, self.take)
        return path

    def note(self, counter: Counter[str], path: str) -> None:
        with self.lock:
            counter[path] += 1

    def take(self, wire: Wire, head: bytes) -> None:
        path = head.split(b" ")[1].decode()
        self.note(self.begun, path)
        wire.socket.settimeout(PATIENCE)
        try:
            found = LENGTH.search(head)
            body = wire.exactly(int(found[1])) if found else unchunk(wire.raw_chunks())
        except (Cut, OSError):
            self.note(self.cut, path)
            raise
        self.note(self.whole, path)
        told = hashlib.sha256(body).hexdigest().encode()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))


def digest(made: Upload) -> bytes:
    return hashlib.sha256(made.body).hexdigest().encode()
