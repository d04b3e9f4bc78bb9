"""A Django whose one thread computes for as long as somebody waits: ``busy.py PORT``."""

import contextlib
import select
import socket
import sys


def main(port: int) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                while connection.recv(65_536):
                    compute(connection)


def compute(connection: socket.socket) -> None:
    """Until the other end goes, or asks for more."""
    while not select.select([connection], [], [], 0)[0]:
        sum(range(10_000))


if __name__ == "__main__":
    main(int(sys.argv[1]))
