"""Stands between a gateway and PostgreSQL and keeps what is sent: statistics tell it too late."""

import contextlib
import socket
import threading
import uuid
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

PIECE: Final = 65_536


@dataclass
class Line:
    """One connection."""

    name: bytes = b""  # its first words
    is_dead: bool = False


@dataclass
class Ear:
    name: bytes
    mark: bytes
    heard: threading.Event = field(default_factory=threading.Event)


class Wiretap:
    """``url`` is the database's, by way of the tap; ``sent`` all bytes that went to the server."""

    def __init__(self, url: str) -> None:
        self.server = address_of(url)
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        self.url = f"postgresql://{user}@127.0.0.1:{port}{parts.path}?sslmode=disable"
        self.sent = bytearray()
        self.sockets: list[socket.socket] = []
        self.ears: list[Ear] = []
        self.lines: list[Line] = []
        self.swallows_new = False
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.sockets.append(near)
                far = dial(self.server)
                self.sockets.append(far)
                line = Line(is_dead=self.swallows_new)
                self.lines.append(line)
                for ends in ([near, far, line, True], [far, near, line, False]):
                    threading.Thread(target=self.pump, args=ends, daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, line: "Line", keep: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                if keep:
                    self.sent += data
                if not line.is_dead:
                    self.listen(line, data if keep else b"")
                    sink.sendall(data)
        if line.is_dead:  # the other side is never told
            return
        shut(source)
        shut(sink)

    def listen(self, line: "Line", data: bytes) -> None:
        line.name = line.name or data
        for ear in self.ears:
            if ear.mark in data and ear.name in line.name and not ear.heard.is_set():
                line.is_dead = True
                ear.heard.set()

    def swallow_after(self, name: bytes, mark: bytes) -> "Ear":
        """The first connection named so in its first words that sends ``mark`` stands still from
        then on, as behind a firewall that drops everything: it is not even closed."""
        ear = Ear(name, mark)
        self.ears.append(ear)
        return ear

    def swallow_all(self, *, new: bool = False) -> None:
        """Every connection that stands now stands still; later ones only where ``new`` is said."""
        self.swallows_new = new
        for line in self.lines:
            line.is_dead = True

    def asked_about(self, key_id: uuid.UUID) -> int:
        """How often this id went to the server, as text or as bytes."""
        seen = bytes(self.sent)
        return sum(map(seen.count, (key_id.bytes, key_id.hex.encode(), str(key_id).encode())))

    def stop(self) -> None:
        """Every connection ends now: one that only is closed lives on while a thread reads it, and
        a server process that waits for the rest of a COPY holds up every DROP DATABASE."""
        shut(self.listener)
        self.accepting.join()
        for end in (self.listener, *self.sockets):
            shut(end)
            end.close()


def shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def address_of(url: str) -> str | tuple[str, int]:
    """Of the real server: a socket's path, or host and port."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    port = options.get("port", [str(parts.port or 5432)])[0]
    if "host" in options:
        return f"{options['host'][0]}/.s.PGSQL.{port}"
    return str(parts.hostname), int(port)


def dial(address: str | tuple[str, int]) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address)
    found = socket.socket(socket.AF_UNIX)
    found.connect(address)
    return found
