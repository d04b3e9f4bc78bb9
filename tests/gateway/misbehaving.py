"""Upstreams that misbehave on purpose, and what a client and the books saw of it."""

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway, request, rows_of
from tests.gateway.wire import Cut, Script, Server, Wire, unchunk, within

OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Content-Length: 10\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CODE = re.compile(rb'"code": "([a-z_]+)"')

End = Callable[[Wire], None]


def close(_wire: Wire) -> None:
    """As a process that ended: FIN, or a reset where something was not read."""
    raise Cut("as told")


def reset(wire: Wire) -> None:
    """A close that lingers for no time is a reset (socket(7)). What was said before has arrived."""
    time.sleep(0.03)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Cut("as told")


def stay(_wire: Wire) -> None:
    """Ready for the next request."""


def hang(wire: Wire) -> None:
    """Says no more, and stays until the other end goes."""
    wire.is_closed_within(10)
    raise Cut("it went")


def says(raw: bytes, end: End = stay) -> Script:
    def script(wire: Wire, _head: bytes) -> None:
        wire.send(raw)
        end(wire)

    return script


def drips(raw: bytes, pause: float, end: End = stay) -> Script:
    """The same, byte by byte."""

    def script(wire: Wire, _head: bytes) -> None:
        for byte in raw:
            wire.send(bytes([byte]))
            time.sleep(pause)
        end(wire)

    return script


class Outcome(NamedTuple):
    """What a client got: ``status`` 0 when not even a head came; ``code`` of a problem document."""

    status: int
    code: str
    request_id: str
    body: bytes
    is_whole: bool


def outcome(wire: Wire, *, bodiless: bool = False) -> Outcome:
    """Of one answer, by its raw bytes: a body is whole only with all its length or final chunk."""
    try:
        head = wire.head()
        while head.status < 200:
            head = wire.head()
    except Cut:
        return Outcome(0, "", "", b"", is_whole=False)
    identity = head.field("x-request-id")
    if bodiless or head.status in {204, 304}:
        return Outcome(head.status, "", identity, b"", is_whole=True)
    try:
        if length := head.field("content-length"):
            body = wire.exactly(int(length))
        elif head.field("transfer-encoding"):
            body = unchunk(wire.raw_chunks())
        else:
            body = wire.rest()
    except Cut:
        return Outcome(head.status, "", identity, wire.held, is_whole=False)
    found = CODE.search(body)
    code = found[1].decode() if found else ""
    return Outcome(head.status, code, identity, body, is_whole=True)


def ask(gateway: Gateway, key: str, path: str, method: str = "GET", *fields: str) -> Outcome:
    """One request on a connection of its own."""
    wire = gateway.connect().send(request(method, path, key, *fields))
    try:
        return outcome(wire, bodiless=method == "HEAD")
    finally:
        wire.close()


def row_of(database: Database, request_id: str) -> dict[str, Any]:
    """The one request log row."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = rows_of(database.conninfo, "id = %s", request_id)
        return bool(found)

    assert within(3, look)
    assert len(found) == 1
    return found[0]


def sockets_to(pid: int, port: int) -> int:
    """Descriptors of a process that are TCP connections to this port, whatever their state."""
    inodes = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].rpartition(":")[2], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    return sum(link in inodes for link in links(pid))


def links(pid: int) -> list[str]:
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(descriptor.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


def all_sockets_to(gateway: Gateway, server: "Server | Rude | Full") -> int:
    return sum(sockets_to(pid, server.port) for pid in gateway.children())


class Full:
    """A listener whose queue is full: who connects now waits for an answer that never comes."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.listener = socket.socket()
        self.listener.bind((address, port))
        self.listener.listen(0)
        self.port = int(self.listener.getsockname()[1])
        self.waiting: list[socket.socket] = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex((address, self.port))
            self.waiting.append(one)
        time.sleep(0.1)

    def close(self) -> None:
        for one in (*self.waiting, self.listener):
            one.close()


class Rude:
    """Ends every connection as soon as it stands."""

    def __init__(self, end: End) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.end = end
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire = Wire(self.listener.accept()[0])
                with contextlib.suppress(Cut):
                    self.end(wire)
                wire.close()

    def stop(self) -> None:
        self.listener.close()


class Gate:
    """Holds whoever comes until it is opened; ``came`` says how many wait or waited."""

    def __init__(self, then: Script) -> None:
        self.then = then
        self.opened = threading.Event()
        self.lock = threading.Lock()
        self.came = 0

    def __call__(self, wire: Wire, head: bytes) -> None:
        with self.lock:
            self.came += 1
        self.opened.wait(20)
        self.then(wire, head)
