"""Requests that wait for units."""

import asyncio
from collections import deque

from apikeys.gate.effects import Take, Taken
from apikeys.ledger.take import FIRST_PAUSE, LONGEST_PAUSE


class Waiter:
    """``until``: when units that are called back must have come; 0 while it was not short."""

    __slots__ = ("future", "take", "until")

    def __init__(self, take: Take, future: "asyncio.Future[Taken]") -> None:
        self.take = take
        self.future = future
        self.until = 0.0


class Group:
    """Those who wait for the same counters."""

    __slots__ = ("due", "pause", "waiters")

    def __init__(self) -> None:
        self.waiters: deque[Waiter] = deque()
        self.due = 0.0
        self.pause = FIRST_PAUSE

    def later(self, now: float) -> None:
        self.due = now + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE)
