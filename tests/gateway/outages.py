"""Clients that never pause while a database fails, and what each of them was told when."""

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from tests.gateway.processes import Gateway, request

SECONDS = 15.0  # a client's patience


class Told(NamedTuple):
    name: str
    began: float
    ended: float
    status: int


@dataclass
class Crowd:
    """``each`` threads per key; ``keys`` by what they are. A thread asks again after ``pause``."""

    gateway: Gateway
    keys: dict[str, str]
    each: int = 2
    pause: float = 0.02
    told: list[Told] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        names = [name for name in self.keys for _ in range(self.each)]
        self.threads = [threading.Thread(target=self.ask, args=[name]) for name in names]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def ask(self, name: str) -> None:
        while not self.over.wait(self.pause):
            text = request("GET", "/proxy/echo/x", self.keys[name])
            began = time.monotonic()
            with contextlib.closing(self.gateway.connect()) as wire:
                wire.socket.settimeout(SECONDS)
                status = wire.send(text).answer().status
            self.told.append(Told(name, began, time.monotonic(), status))

    def statuses(self, name: str, since: float = 0.0, until: float = float("inf")) -> Counter[int]:
        """Of requests that began and ended in between."""
        return Counter(
            told.status
            for told in self.told
            if told.name == name and since <= told.began and told.ended <= until
        )

    def longest(self) -> float:
        return max(told.ended - told.began for told in self.told)


def memory(pids: list[int]) -> float:
    """MiB that these processes have to themselves or share, each page once."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(text.partition("\nPss:")[2].split()[0])
    return total / 1024
