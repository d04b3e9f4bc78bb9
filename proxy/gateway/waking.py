"""The parent's signals as flags, and a sleep that each of them ends."""

import os
import select
import signal
import socket
from collections.abc import Iterable
from types import FrameType
from typing import Final

STOPS: Final = (signal.SIGTERM, signal.SIGINT)
RETIRE: Final = signal.SIGUSR1  # a child's: others accept from its sockets, it may drain and end
HANDLED: Final = frozenset((*STOPS, signal.SIGHUP, signal.SIGCHLD))
HELD: Final = HANDLED | {RETIRE}  # in a child until it has a loop that hears them


class Waking:
    """``stop`` and ``restart``: whether somebody asked."""

    def __init__(self) -> None:
        self.stop = False
        self.restart = False
        self.terminal = os.isatty(0)
        self.reader, self.writer = socket.socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)
        signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        for number in STOPS:
            signal.signal(number, self.note_stop)
        signal.signal(signal.SIGHUP, self.note_hang_up)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only to wake us
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def note_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True

    def note_hang_up(self, _number: int, _frame: FrameType | None) -> None:
        """A terminal that went away is no wish for a restart."""
        if self.terminal and not os.isatty(0):
            self.stop = True
        else:
            self.restart = True

    def wait(self, pipes: Iterable[int], seconds: float) -> list[int]:
        """Until a signal comes or a pipe has something to say: those pipes."""
        ours = self.reader.fileno()
        found, _, _ = select.select([ours, *pipes], [], [], min(seconds, 3600.0))
        if ours in found:
            self.reader.recv(4096)
            found.remove(ours)
        return found

    def forget(self) -> None:
        """In a child, whose signals are held: nothing of the parent's hears them."""
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal's reaches the whole group
        self.reader.close()
        self.writer.close()
