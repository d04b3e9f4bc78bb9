"""Turns pip's words into "installing packages: 34 of 61"."""

import re
import time
from collections import deque
from typing import Final, TextIO

COLLECTING: Final = re.compile(
    r"^(?:Collecting |Requirement already satisfied: |Processing (?:\S*/)?)"
    r"(?P<name>[A-Za-z0-9._]+(?:-[A-Za-z][A-Za-z0-9._]*)*)"
)
IGNORING: Final = re.compile(r"^Ignoring ")
UNPACKING: Final = re.compile(r"^Installing collected packages:")
PLAIN_EVERY_SECONDS: Final = 2.0


class Progress:
    """Feeds on pip's output; writes in place on a terminal, else a line every two seconds."""

    def __init__(self, out: TextIO, total: int) -> None:
        self.out = out
        self.total = total
        self.seen: set[str] = set()
        self.tail: deque[str] = deque(maxlen=30)
        self.terminal = out.isatty()
        self.last_line = 0.0

    def feed(self, line: str) -> None:
        line = line.rstrip()
        self.tail.append(line)
        if IGNORING.match(line):
            self.total -= 1
        elif UNPACKING.match(line):
            self.show(f"unpacking {len(self.seen)} packages", always=True)
        elif match := COLLECTING.match(line):
            name = match["name"].lower().replace("_", "-")
            self.seen.add(name)
            self.show(f"installing packages: {len(self.seen)} of {self.total} ({name})")

    def show(self, text: str, *, always: bool = False) -> None:
        if self.terminal:
            self.out.write(f"\r\x1b[K{text}")
        else:
            now = time.monotonic()
            if not always and now - self.last_line < PLAIN_EVERY_SECONDS:
                return
            self.last_line = now
            self.out.write(f"{text}\n")
        self.out.flush()

    def close(self) -> None:
        if self.terminal:
            self.out.write("\r\x1b[K")
            self.out.flush()

    def complaints(self) -> list[str]:
        """What pip said went wrong: its ERROR lines, else its last words."""
        errors = [line for line in self.tail if line.startswith("ERROR")]
        return errors or list(self.tail)[-5:]
