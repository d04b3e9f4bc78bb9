"""Stands between a gateway and Valkey, and may spoil what Valkey says."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.gateway.wiretap import shut

Say = Callable[[socket.socket, bytes], None]  # to whom, and what Valkey has said


def truly(near: socket.socket, data: bytes) -> None:
    near.sendall(data)


def always(word: bytes) -> Say:
    return lambda near, _: near.sendall(word)


def one_more(near: socket.socket, data: bytes) -> None:
    """So that every later reply would be the one before."""
    near.sendall(data + b"*3\r\n:0\r\n:1\r\n:0\r\n")


def byte_by_byte(near: socket.socket, data: bytes) -> None:
    for byte in data:
        near.sendall(bytes((byte,)))
        time.sleep(0.05)


def late(near: socket.socket, data: bytes) -> None:
    time.sleep(0.08)
    near.sendall(data)


def endlessly(near: socket.socket, _: bytes) -> None:
    near.sendall(b"$1000000000\r\n")
    for _number in range(40):
        near.sendall(bytes(100_000))
        time.sleep(0.02)


class Babble:
    """``say`` and ``place``, the unix socket that new connections lead to, may be changed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.say: Say = truly
        self.ends: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}/0"
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.socket(socket.AF_UNIX)
                self.ends += [near, far]
                with contextlib.suppress(OSError):
                    far.connect(str(self.place))
                for ends in ([near, far, truly], [far, near, self.repeat]):
                    threading.Thread(target=self.pump, args=ends, daemon=True).start()

    def repeat(self, near: socket.socket, data: bytes) -> None:
        self.say(near, data)

    def pump(self, source: socket.socket, sink: socket.socket, say: Say) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                say(sink, data)
        shut(source)
        shut(sink)

    def stop(self) -> None:
        shut(self.listener)
        self.accepting.join()
        for end in (self.listener, *self.ends):
            shut(end)
            end.close()
