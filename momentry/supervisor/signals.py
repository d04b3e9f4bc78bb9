"""Signals as a flag and a way to sleep until one arrives."""

import select
import signal
import socket
from types import FrameType
from typing import Final, Self

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """``asked`` counts the requests to stop: the second one means at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.watched: list[socket.socket] = []  # what may also end a sleep
        self.reader, self.writer = socket.socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)
        signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        for number in STOPPING:
            signal.signal(number, self.note)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only to wake us

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        self.reader.close()
        self.writer.close()

    def note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1

    def stopping(self) -> bool:
        return self.asked > 0

    def sleep(self, seconds: float) -> None:
        """Until a signal comes (a child that ended is one), at most ``seconds``."""
        found = select.select([self.reader, *self.watched], [], [], max(0.0, seconds))[0]
        if self.reader in found:
            self.reader.recv(4096)
