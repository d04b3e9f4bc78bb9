"""Many clients at once, each answer kept with when it was asked for and when it came."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Cut, Wire


class Seen(NamedTuple):
    """``asked`` and ``came`` by the monotonic clock; status 0: it was sent, and the answer is
    missing."""

    asked: float
    came: float
    status: int
    request_id: str


class Crowd:
    """``clients`` on connections of their own; a connection that broke is made anew."""

    def __init__(self, gateway: Gateway, secret: str, clients: int, pause: float = 0.002) -> None:
        self.gateway = gateway
        self.call = request("GET", "/proxy/echo/", secret)
        self.pause = pause
        self.seen: list[Seen] = []  # appending is one step for all threads
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    @contextlib.contextmanager
    def asking(self) -> Iterator["Crowd"]:
        for thread in self.threads:
            thread.start()
        try:
            yield self
        finally:
            self.over.set()
            for thread in self.threads:
                thread.join()

    def run(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(OSError):
                wire = self.gateway.connect()
                while not self.over.is_set() and self.ask(wire):
                    time.sleep(self.pause)
            time.sleep(self.pause)

    def ask(self, wire: Wire) -> bool:
        asked = time.monotonic()
        try:
            answer = wire.send(self.call).answer()
        except (OSError, Cut):
            self.seen.append(Seen(asked, time.monotonic(), 0, ""))
            return False
        found = Seen(asked, time.monotonic(), answer.status, answer.field("x-request-id"))
        self.seen.append(found)
        return True

    def statuses(self) -> Counter[int]:
        return Counter(seen.status for seen in list(self.seen))

    @property
    def admitted(self) -> int:
        return self.statuses()[200]

    def until(self, admitted: int, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while self.admitted < admitted:
            assert time.monotonic() < end, self.statuses()
            time.sleep(0.002)

    def until_refused(self, times: int = 20, seconds: float = 20.0) -> None:
        """By a limit, so often without a request that was admitted in between."""
        end = time.monotonic() + seconds
        while not all(seen.status == 429 for seen in self.last(times)):
            assert time.monotonic() < end, self.statuses()
            time.sleep(0.002)

    def last(self, times: int) -> list[Seen]:
        seen = list(self.seen)[-times:]
        return seen if len(seen) == times else [Seen(0, 0, -1, "")]
