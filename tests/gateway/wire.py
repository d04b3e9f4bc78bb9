"""Raw sockets for both ends: a client that says what it is told, a server that runs scripts."""

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

SECONDS = 5.0
BACKLOG = 1024  # a gateway may dial 256 times at once
MIRRORED = {"/", "/a", "/x"}
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)


class Cut(Exception):
    """The other end closed, or reset, before what was waited for had come."""


class Answer(NamedTuple):
    """One answer; ``fields`` in their order, names in lower case."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def field(self, name: str) -> str:
        """The values of a field, joined; "" when there is none."""
        return ", ".join(value for key, value in self.fields if key == name)


class Wire:
    """One connection, byte by byte."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(SECONDS)
        self.held = b""

    def send(self, data: bytes) -> "Wire":
        self.socket.sendall(data)
        return self

    def more(self) -> bool:
        """False at the other end's end."""
        try:
            data = self.socket.recv(65_536)
        except ConnectionError:
            raise Cut("reset") from None
        self.held += data
        return bool(data)

    def take(self, size: int) -> bytes:
        taken, self.held = self.held[:size], self.held[size:]
        return taken

    def until(self, mark: bytes) -> bytes:
        while mark not in self.held:
            if not self.more():
                raise Cut(f"closed after {self.held!r}")
        return self.take(self.held.index(mark) + len(mark))

    def exactly(self, size: int) -> bytes:
        while len(self.held) < size:
            if not self.more():
                raise Cut(f"closed after {len(self.held)} of {size} bytes")
        return self.take(size)

    def rest(self) -> bytes:
        while self.more():
            pass
        return self.take(len(self.held))

    def message(self) -> tuple[bytes, bytes]:
        """A head and its body as they stood on the wire, chunked framing included."""
        head = self.until(b"\r\n\r\n")
        if found := LENGTH.search(head):
            return head, self.exactly(int(found[1]))
        return head, self.raw_chunks() if CHUNKED.search(head) else b""

    def raw_chunks(self) -> bytes:
        raw = b""
        while True:
            line = self.until(b"\r\n")
            raw += line
            size = int(line.partition(b";")[0], 16)
            if not size:
                break
            raw += self.exactly(size + 2)
        while not raw.endswith(b"\r\n\r\n"):
            raw += self.until(b"\r\n")
        return raw

    def head(self) -> Answer:
        status_line, *lines = self.until(b"\r\n\r\n")[:-4].decode("latin-1").split("\r\n")
        pairs = [line.partition(": ") for line in lines]
        return Answer(
            int(status_line.split(" ")[1]), [(name.lower(), value) for name, _, value in pairs], b""
        )

    def answer(self, *, bodiless: bool = False) -> Answer:
        """A whole answer, its body without framing."""
        head = self.head()
        if bodiless or head.status in {204, 304} or head.status < 200:
            return head
        if length := head.field("content-length"):
            return head._replace(body=self.exactly(int(length)))
        if head.field("transfer-encoding"):
            return head._replace(body=unchunk(self.raw_chunks()))
        return head._replace(body=self.rest())

    def is_closed_within(self, seconds: float) -> bool:
        """Does the other end close, cleanly or not?"""
        self.socket.settimeout(seconds)
        try:
            self.rest()
        except TimeoutError:
            return False
        except Cut:
            return True
        finally:
            self.socket.settimeout(SECONDS)
        return True

    def end(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()


def unchunk(raw: bytes) -> bytes:
    return with_trailers(raw)[0]


def with_trailers(raw: bytes) -> tuple[bytes, bytes]:
    """The content of a chunked body, however it was cut, and all that follows its last chunk."""
    body = b""
    while raw:
        line, _, raw = raw.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        if not size:
            break
        body, raw = body + raw[:size], raw[size + 2 :]
    return body, raw


def within(seconds: float, condition: Callable[[], bool], pause: float = 0.01) -> bool:
    """Does the condition come true in that time?"""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(pause)
    return condition()


Script = Callable[[Wire, bytes], None]


def mirror(wire: Wire, head: bytes) -> None:
    """Answers with the request exactly as it came."""
    if found := LENGTH.search(head):
        body = wire.exactly(int(found[1]))
    else:
        body = wire.raw_chunks() if CHUNKED.search(head) else b""
    told = head + body
    length = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told)
    wire.send(length if head.startswith(b"HEAD ") else length + told)


class Server:
    """Answers each request by the script of its path (``/slug`` of the first segment), or mirrors.

    ``heads`` are all request heads that came; ``open`` counts connections that stand.
    """

    def __init__(self, listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self.context = context
        self.listener = listener
        self.scripts: dict[bytes, Script] = {}
        self.heads: list[bytes] = []
        self.wires: list[Wire] = []
        self.lock = threading.Lock()
        self.open = 0
        self.accepted = 0
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def on(self, path: str, script: Script) -> None:
        assert path not in MIRRORED, "others expect to see their request"
        self.scripts[path.encode()] = script

    def heads_with(self, field: str) -> list[bytes]:
        """Of the test that sent this field: what another test left on its way may come late."""
        return [head for head in list(self.heads) if field.lower().encode() in head.lower()]

    def heads_of(self, path: str) -> list[bytes]:
        with self.lock:
            return [head for head in self.heads if head.split(b" ")[1] == path.encode()]

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.secure, args=[connection], daemon=True).start()

    def secure(self, connection: socket.socket) -> None:
        if self.context is not None:
            # Else what follows the session's tickets waits for a delayed acknowledgement.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                connection = self.context.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                return
        self.serve(Wire(connection))

    def serve(self, wire: Wire) -> None:
        with self.lock:
            self.open += 1
            self.accepted += 1
            self.wires.append(wire)
        try:
            self.converse(wire)
        except (Cut, OSError):
            pass
        finally:
            wire.close()
            with self.lock:
                self.open -= 1

    def converse(self, wire: Wire) -> None:
        while True:
            wire.socket.settimeout(60)
            head = wire.until(b"\r\n\r\n")
            wire.socket.settimeout(SECONDS)
            path = head.split(b" ")[1].partition(b"?")[0]
            with self.lock:
                self.heads.append(head)
            self.scripts.get(path, mirror)(wire, head)

    def close_all(self) -> None:
        """End every connection, as a server that restarts does."""
        with self.lock:
            for wire in self.wires:
                with contextlib.suppress(OSError):
                    wire.socket.shutdown(socket.SHUT_RDWR)
            self.wires.clear()

    def part(self) -> None:
        """As close_all(), but the other ends close first: none of them can be used again."""
        with self.lock:
            for wire in self.wires:
                with contextlib.suppress(OSError):
                    wire.socket.shutdown(socket.SHUT_WR)
        within(0.5, lambda: self.open == 0)
        self.close_all()

    def stop(self) -> None:
        self.listener.close()
        self.close_all()


def tcp_server(context: ssl.SSLContext | None = None) -> Server:
    return Server(socket.create_server(("127.0.0.1", 0), backlog=BACKLOG), context)


def unix_server(path: str) -> Server:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(BACKLOG)
    return Server(listener)
