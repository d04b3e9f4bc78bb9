"""Refusals of secrets leave at one pace, so that time does not tell how one was wrong (DESIGN §5).

The event loop's own timers keep whole milliseconds, which is enough to tell. Linux has timers that
a loop can wait for with a nanosecond's grain; elsewhere the loop's have to do.
"""

import asyncio
import contextlib
import ctypes
import heapq
import os
import time
from collections.abc import Callable
from itertools import count
from typing import Final

MONOTONIC: Final = 1  # CLOCK_MONOTONIC, time.monotonic()'s
NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
ABSOLUTE: Final = 1
NANO: Final = 1_000_000_000
AT_ONCE: Final = 4  # calls of one turn of the loop: in a flood others' bytes must not wait for all
CROWD: Final = 8  # with more than these waiting
TOGETHER_NANO: Final = 2_000_000  # those due within two milliseconds are called by one ring


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class Itimerspec(ctypes.Structure):
    _fields_ = [("interval", Timespec), ("value", Timespec)]


class Pace:
    """Calls back at moments of time.monotonic(), never before them, in their order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = count()
        self.descriptor = open_timer()
        if self.descriptor >= 0:
            loop.add_reader(self.descriptor, self.ring)

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """``call`` at ``moment``, or soon when that has passed."""
        if self.descriptor < 0:
            # Its whole milliseconds are rounded down by some.
            self.loop.call_later(max(0.0, moment - time.monotonic()) + 0.001, call)
            return
        is_next = not self.waiting or moment < self.waiting[0][0]
        heapq.heappush(self.waiting, (moment, next(self.numbers), call))
        if is_next:
            self.arm()

    def arm(self) -> None:
        """To the first that waits, in a flood to the end of its millisecond: a ring costs as much
        as a call. A moment that has passed rings at once; 0 would disarm."""
        nanoseconds = max(1, int(self.waiting[0][0] * NANO))
        if len(self.waiting) > CROWD:
            nanoseconds += -nanoseconds % TOGETHER_NANO
        value = Timespec(nanoseconds // NANO, nanoseconds % NANO)
        given = Itimerspec(Timespec(0, 0), value)
        LIBRARY.timerfd_settime(self.descriptor, ABSOLUTE, ctypes.byref(given), None)

    def ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.descriptor, 8)
        self.call_due()

    def call_due(self) -> None:
        """Some of those whose moment has come; the rest of them in the loop's next turn."""
        now, waiting = time.monotonic(), self.waiting
        try:
            for _ in range(AT_ONCE):
                if not waiting or waiting[0][0] > now:
                    break
                heapq.heappop(waiting)[2]()
        finally:
            self.go_on(now)

    def go_on(self, now: float) -> None:
        if self.descriptor < 0 or not self.waiting:
            return
        if self.waiting[0][0] <= now:
            self.loop.call_soon(self.call_due)
        else:
            self.arm()

    def close(self) -> None:
        """Whoever still waits is called no more."""
        if self.descriptor >= 0:
            self.loop.remove_reader(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1


LIBRARY: Final = ctypes.CDLL(None, use_errno=True)


def open_timer() -> int:
    """A timer's descriptor; -1 where the system has none."""
    if not hasattr(LIBRARY, "timerfd_create"):
        return -1
    return int(LIBRARY.timerfd_create(MONOTONIC, NONBLOCK_CLOEXEC))
