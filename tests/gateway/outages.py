"""Clients that never pause while a database fails, and what each of them was told when."""

import contextlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer

SECONDS = 15.0  # a client's patience


class Told(NamedTuple):
    name: str
    began: float
    ended: float
    answer: Answer

    @property
    def status(self) -> int:
        return self.answer.status


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
        text = self.text(name)
        while not self.over.wait(self.pause):
            began = time.monotonic()
            with contextlib.closing(self.gateway.connect()) as wire:
                wire.socket.settimeout(SECONDS)
                answer = wire.send(text).answer()
            self.told.append(Told(name, began, time.monotonic(), answer))

    def text(self, name: str) -> bytes:
        return request("GET", "/proxy/echo/x", self.keys[name])

    def statuses(self, name: str, since: float = 0.0, until: float = float("inf")) -> Counter[int]:
        """Of requests that began and ended in between."""
        return Counter(told.status for told in self.between(name, since, until))

    def between(self, name: str, since: float = 0.0, until: float = float("inf")) -> list[Told]:
        return [
            told
            for told in list(self.told)
            if told.name == name and since <= told.began and told.ended <= until
        ]

    def longest(self, name: str = "") -> float:
        return max(told.ended - told.began for told in self.told if name in {"", told.name})


@dataclass
class Calls(Crowd):
    """Calls of any kind, whole requests by name; ``keys`` only names them."""

    calls: dict[str, bytes] = field(default_factory=dict)
    each: int = 1

    def text(self, name: str) -> bytes:
        return self.calls[name]

    def words(self, name: str, since: float = 0.0, until: float = float("inf")) -> set[str]:
        """What was told, as word_of() says it."""
        return {word_of(told.answer) for told in self.between(name, since, until)}


def word_of(answer: Answer) -> str:
    """Status, and the code of a refusal or of a verified key."""
    is_json = answer.field("content-type").partition(";")[0].endswith("json")
    document = json.loads(answer.body) if is_json else None
    code = document.get("code") if isinstance(document, dict) else None
    return f"{answer.status} {code}" if code else str(answer.status)


def memory(pids: list[int]) -> float:
    """MiB that these processes have to themselves or share, each page once."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(text.partition("\nPss:")[2].split()[0])
    return total / 1024
