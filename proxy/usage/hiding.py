"""The event that tells what a stream used, kept from a client that did not ask for it; all other
bytes pass as they are, at any split."""

import re
from typing import Final

from proxy.usage import documents

MOST: Final = 64 * 1024  # bytes of an event that is looked at; the one that is meant is small
END: Final = re.compile(
    rb"(?>\r\n|\n|\r)(?:\r\n|\n|\r(?=[^\n]))"
)  # of a line, then of an empty one
BLANK: Final = rb"(?:[\r\n]data:?|[ \t\r\n])*+"  # a line may break wherever JSON has room for it
EMPTY: Final = re.compile(rb'"choices"' + BLANK + rb":" + BLANK + rb"\[" + BLANK + rb"\]")
LINE: Final = re.compile(rb"(?:^|[\r\n])data(?::[ ]?([^\r\n]*+))?")
OVERLAP: Final = 3  # bytes of an end that came with the piece before


class Hider:
    """``feed`` it the payload and pass on what it gives; at the end ``rest``. What has come of an
    event waits for its end; one of more than MOST bytes does not."""

    __slots__ = ("held", "passes")

    def __init__(self) -> None:
        self.held = b""
        self.passes = False  # the event that has come in part, as it is too large

    def feed(self, piece: bytes) -> bytes:
        if piece[-2:] == b"\n\n" and not (self.held or self.passes or EMPTY.search(piece)):
            return piece  # whole events, and none of them meant: as nearly all come
        start = max(0, len(self.held) - OVERLAP)
        data = self.held + piece if self.held else piece
        passed, at = [], 0
        for found in END.finditer(data, start):
            event = data[at : found.end()]
            if self.passes or not is_extra(event):
                passed.append(event)
            self.passes = False
            at = found.end()
        self.held = data[at:]
        if self.passes or len(self.held) > MOST:
            passed.append(self.held[:-OVERLAP])
            self.held = self.held[-OVERLAP:]
            self.passes = True
        return b"".join(passed)

    def rest(self) -> bytes:
        """What never became an event, or one without its empty line."""
        held, self.held = self.held, b""
        return b"" if not self.passes and is_extra(held) else held


def is_extra(event: bytes) -> bool:
    """No choices, and what was used."""
    if not EMPTY.search(event):
        return False
    told = documents.parse(b"\n".join(line or b"" for line in LINE.findall(event)))
    return told.get("choices") == [] and isinstance(told.get("usage"), dict)
