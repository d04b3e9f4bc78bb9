"""How far long work is: a bar on a terminal, else a line every two seconds."""

import time
from typing import Final, Protocol

WIDTH: Final = 30
BAR_EVERY_SECONDS: Final = 0.1
LINE_EVERY_SECONDS: Final = 2.0


class Stream(Protocol):
    def write(self, text: str, /) -> object: ...
    def flush(self) -> None: ...
    def isatty(self) -> bool: ...


class Progress:
    """Called with how many are done."""

    def __init__(self, out: Stream, label: str, total: int) -> None:
        self.out = out
        self.label = label
        self.total = total
        self.terminal = out.isatty()
        self.shown_at = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self.shown_at < (BAR_EVERY_SECONDS if self.terminal else LINE_EVERY_SECONDS):
            return
        self.shown_at = now
        text = f"{self.label}: {done} of {self.total}"
        self.out.write(f"\r\x1b[K{self.bar(done)} {text}" if self.terminal else f"{text}\n")
        self.out.flush()

    def bar(self, done: int) -> str:
        full = WIDTH * min(done, self.total) // max(self.total, 1)
        return f"[{'#' * full}{'.' * (WIDTH - full)}]"

    def close(self) -> None:
        if self.terminal:
            self.out.write("\r\x1b[K")
            self.out.flush()
