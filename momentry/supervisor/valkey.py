"""A private Valkey on a unix socket."""

import signal
import socket
from pathlib import Path
from urllib.parse import quote

from momentry.supervisor.binaries import find_valkey
from momentry.supervisor.child import Child, Spec
from momentry.supervisor.leftovers import clear_leftovers


class Valkey:
    """``directory`` holds the data, ``sockets`` the socket; ``durable`` loses at most a second."""

    def __init__(self, directory: Path, sockets: Path, log: Path, *, durable: bool = True) -> None:
        self.directory = directory
        self.socket = sockets / "valkey.sock"
        self.url = f"unix://{quote(str(self.socket))}?db=0"
        self.child = Child(Spec("valkey", self.command(durable), log, {}, death=signal.SIGTERM))

    def command(self, durable: bool) -> tuple[str, ...]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "appendonly": "yes" if durable else "no",
            "save": "",
            "maxmemory-policy": "noeviction",
            "databases": "64",  # a test run gives one to each of its workers
        }
        pairs = [part for name, value in options.items() for part in (f"--{name}", value)]
        return (str(find_valkey()), *pairs)

    def start(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        clear_leftovers(self.directory)
        self.child.start()

    def ready(self) -> bool:
        """Whether it answers PING; while it loads its file it says -LOADING instead."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
