"""Server-sent events out of a stream of bytes (WHATWG HTML §9.2.6); only their data is read."""

from collections.abc import Callable
from typing import Final

from proxy.usage.held import Held

BOM: Final = b"\xef\xbb\xbf"
FIELD: Final = b"data:"
DECIDED: Final = len(BOM) + len(FIELD) + 1  # bytes of a line that tell whether it is data
START, DATA, SKIP = range(3)


class Events:
    """``tell`` gets the data of each event, in a buffer that is emptied afterwards.

    Unlike a browser, whoever asks gets an event whose blank line has not come (``unfinished``). Of
    data longer than Held keeps there are the ends.
    """

    __slots__ = ("after_cr", "begun", "has_data", "held", "mode", "start", "tell")

    def __init__(self, tell: Callable[[Held], None]) -> None:
        self.tell = tell
        self.held = Held()
        self.has_data = False
        self.begun = False  # the first line, where a BOM may stand
        self.after_cr = False
        self.mode = START  # of the line that has come in part
        self.start = b""  # and its bytes, until they tell what it is

    def feed(self, piece: bytes) -> None:
        if self.after_cr or b"\r" in piece:
            piece = self.with_newlines(piece)
        lines = piece.split(b"\n")
        last = lines.pop()
        if lines and (self.start or self.mode):
            self.more(lines[0])
            self.end_line()
            del lines[0]
        for line in lines:
            self.take(line)
        if last:
            self.more(last)

    def with_newlines(self, piece: bytes) -> bytes:
        """CR and CRLF as LF, also where a CRLF comes in two pieces."""
        if not piece:
            return piece
        whole = piece[1:] if self.after_cr and piece.startswith(b"\n") else piece
        self.after_cr = piece.endswith(b"\r")
        return whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def more(self, part: bytes) -> None:
        """Of a line whose end has not come."""
        if self.mode == DATA:
            self.held.add(part)
        elif self.mode == START:
            self.start += part
            if len(self.start) >= DECIDED:
                line, self.start = self.start, b""
                self.mode = DATA if self.take_field(line) else SKIP

    def end_line(self) -> None:
        if self.mode == START:
            line, self.start = self.start, b""
            self.take(line)
        self.mode = START

    def take(self, line: bytes) -> None:
        """A whole line."""
        if line:
            self.take_field(line)
            return
        self.begun = True
        if self.has_data:
            self.tell(self.held)
            self.held.clear()
            self.has_data = False

    def take_field(self, line: bytes) -> bool:
        """Whether it is data. Comments, names, ids and times to retry say nothing of usage."""
        if not self.begun:
            self.begun = True
            line = line.removeprefix(BOM)
        if not line.startswith(FIELD) and line != FIELD[:-1]:
            return False
        if self.has_data:
            self.held.add(b"\n")
        self.has_data = True
        self.held.add(line[6:] if line[5:6] == b" " else line[5:])
        return True

    def unfinished(self) -> Held:
        """What has come of an event that has not ended; asking changes nothing."""
        if not self.start:
            return self.held
        ended = Events(self.tell)
        ended.held, ended.has_data, ended.begun = self.held.copy(), self.has_data, self.begun
        ended.take_field(self.start)
        return ended.held
