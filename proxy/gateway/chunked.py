"""Chunked framing (RFC 9112 §7.1), any split of the bytes in and payload pieces out."""

import re
from typing import Final

from proxy.gateway.blocks import find_block_end
from proxy.gateway.head import (
    FIELD_LINES,
    MAX_LENGTH,
    TOKEN,
    BadMessage,
    Fields,
    parse_fields,
)

MAX_LINE: Final = 1024  # bytes of one chunk-size line with its extensions
MAX_NEXT: Final = MAX_LINE + 2  # where the line end of the chunk before is read with it

QUOTED: Final = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
SIZE: Final = (
    rb"([0-9A-Fa-f]{1,16}+)(?:;" + TOKEN + rb"(?:=(?:" + TOKEN + rb"|" + QUOTED + rb"))?+)*+\r\n"
)
PART: Final = rb"[0-9A-Fa-f]{1,16}+(?:;[\t\x20-\x7e\x80-\xff]*+)?+\r?+"
FIRST_LINE: Final = re.compile(SIZE)
FIRST_PART: Final = re.compile(PART)
# After data its line end and the next size are read as one where they do not come together.
NEXT_LINE: Final = re.compile(rb"\r\n" + SIZE)
NEXT_PART: Final = re.compile(rb"\r|\r\n|\r\n" + PART)


class ChunkedDecoder:
    """Payload goes to ``pieces`` (the caller takes and clears); ``trailers`` are set with ``done``.

    ``code`` is what BadMessage carries: an upstream's bad chunk is not the client's fault. An end
    of input before ``done`` is a truncated body: the caller must not pass it on as complete.
    ``first``: a size line begins here, else the line end of the chunk before.
    """

    __slots__ = ("code", "done", "first", "in_trailers", "pieces", "remaining", "tail", "trailers")

    def __init__(self, code: str = "bad_request") -> None:
        self.code = code
        self.pieces: list[bytes] = []
        self.trailers: Fields = []
        self.done = False
        self.remaining = 0
        self.first = True
        self.in_trailers = False
        self.tail = b""

    def feed(self, data: bytes) -> int:
        """How many bytes belonged to this body: all, until it is done. Raises BadMessage."""
        at, size = 0, len(data)
        while at < size and not self.done:
            if self.remaining:
                piece = data[at : at + self.remaining]
                self.pieces.append(piece)
                self.remaining -= len(piece)
                at += len(piece)
                if not self.remaining and data.startswith(b"\r\n", at):
                    at += 2
                    self.first = True
            elif self.in_trailers:
                at = self.read_trailers(data, at)
            else:
                at = self.read_size(data, at)
        return at

    def read_size(self, data: bytes, at: int) -> int:
        held = len(self.tail)
        most = MAX_LINE if self.first else MAX_NEXT
        line = self.tail + data[at : at + most] if held else data
        start = 0 if held else at
        found = (FIRST_LINE if self.first else NEXT_LINE).match(line, start)
        if found is None:
            return self.hold_part(line[start : start + most], most, len(data))
        if found.end() - start > most:
            raise BadMessage(self.code, "A chunk-size line is too long.")
        self.tail = b""
        self.first = False
        self.remaining = int(found[1], 16)
        self.in_trailers = not self.remaining
        if self.remaining > MAX_LENGTH:
            raise BadMessage(self.code, "A chunk is too large.")
        return at + found.end() - start - held

    def hold_part(self, part: bytes, most: int, consumed: int) -> int:
        """Keep the beginning of a size line, if it can still become one."""
        possible = (FIRST_PART if self.first else NEXT_PART).fullmatch(part)
        if possible is None or len(part) >= most:
            raise BadMessage(self.code, "A chunk is malformed.")
        self.tail = part
        return consumed

    def read_trailers(self, data: bytes, at: int) -> int:
        held = len(self.tail)
        block = self.tail + data[at:]
        if block[:2] == b"\r\n":
            return self.finish(b"", at + 2 - held)
        try:
            end = find_block_end(block, held)
            if end < 0:
                self.tail = block
                return len(data)
            lines = block[: end - 2]
            self.trailers = parse_fields(lines)
        except BadMessage as error:
            raise BadMessage(self.code, error.detail) from None
        return self.finish(lines, at + end - held)

    def finish(self, lines: bytes, consumed: int) -> int:
        if not FIELD_LINES.fullmatch(lines):
            raise BadMessage(self.code, "A trailer field is malformed.")
        self.tail = b""
        self.done = True
        return consumed


def encode(piece: bytes) -> bytes:
    """One chunk; nothing for an empty piece, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def encode_last(trailers: Fields) -> bytes:
    if not trailers:
        return b"0\r\n\r\n"
    lines = b"".join([b"%b: %b\r\n" % field for field in trailers])
    return b"0\r\n%b\r\n" % lines


def skip_chunks(decoder: ChunkedDecoder, data: bytes) -> int:
    """How many bytes the body took; -1 when it is not whole or not valid."""
    try:
        consumed = decoder.feed(data)
    except BadMessage:
        return -1
    decoder.pieces.clear()
    return consumed if decoder.done else -1
