"""The response head of an upstream, bytes in and a ResponseHead out; knows no socket."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from proxy.gateway.blocks import find_block_end
from proxy.gateway.head import (
    MAX_FIELDS,
    BadMessage,
    Fields,
    framing,
    keeps_alive,
    read_special,
    tokens,
)
from proxy.gateway.injection import withheld
from proxy.gateway.lines import MALFORMED, Line, read_lines, read_new

SWITCHING: Final = 101
STATUS_LINE: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*+))?"
)
REASON: Final = len(b"HTTP/1.1 200 ")  # where a status line's phrase begins
NO_BODY: Final = frozenset((204, 304))


class Status(NamedTuple):
    """``line``: as the client gets it, with its CRLF."""

    code: int
    version: int  # 10 | 11
    line: bytes


class ResponseHead:
    """One answer. A body is sized by content_length, else chunked, else until_close.

    No dataclass: what that generates is not compiled, and costs five times as much."""

    __slots__ = (
        "block", "bodiless", "chunked", "content_length", "keep_alive", "line", "lines",
        "nominated", "status", "until_close", "version",
    )  # fmt: skip

    def __init__(
        self,
        status: Status,
        lines: list[Line],
        content_length: int | None,
        nominated: frozenset[bytes],
        block: bytes,
        *,
        chunked: bool,
        bodiless: bool,
    ) -> None:
        self.status = status.code
        self.version = status.version  # 10 | 11
        self.line = status.line
        self.lines = lines
        self.content_length = content_length  # as announced, also where no body follows (HEAD, 304)
        self.nominated = nominated
        self.block = block  # as it came
        self.chunked = chunked
        self.bodiless = bodiless
        self.until_close = not (bodiless or chunked or content_length is not None)
        self.keep_alive = not self.until_close and keeps_alive(nominated, status.version)

    @property
    def headers(self) -> Fields:
        return [line.field for line in self.lines]

    def withhold(self, own: tuple[bytes, ...]) -> None:
        """Of an upstream: nothing of it may tell its credential. Nearly none does."""
        if not any(spelling in self.block for spelling in own):
            return
        self.line = self.line[:REASON] + withheld(self.line[REASON:-2], own) + b"\r\n"
        self.lines = [
            read_new(b"%b:%b" % (line.field[0], withheld(line.field[1], own)))
            if any(spelling in line.field[1] for spelling in own)
            else line
            for line in self.lines
        ]

    @property
    def interim(self) -> bool:
        return self.status < 200 and self.status != SWITCHING


def find_end(buffer: bytearray, start: int = 0) -> int:
    """As blocks.find_end, for answers: nothing may precede the status line; upstream_failed."""
    try:
        return find_block_end(buffer, start)
    except BadMessage as error:
        raise BadMessage("upstream_failed", error.detail) from None


def parse_response(block: bytes, method: bytes, *, may_switch: bool = False) -> ResponseHead:
    """``method`` is the request's: an answer to HEAD has no body. ``may_switch``: 101 was asked
    for. Raises upstream_failed."""
    lines = block.split(b"\r\n")
    status = status_of(lines[0])
    if status is None or lines[-1] or lines[-2]:
        raise BadMessage("upstream_failed", MALFORMED)
    if len(lines) - 3 > MAX_FIELDS:
        raise BadMessage("upstream_failed", f"More than {MAX_FIELDS} header fields.")
    code, version, _ = status
    if code == SWITCHING and not may_switch:
        raise BadMessage("upstream_failed", "The upstream switched protocols unasked.")
    read = read_lines(lines[1:-2])
    try:
        special = read_special([field for field, _, is_special in read if is_special])
        length, chunked = framing(special, version)
    except BadMessage as error:
        raise BadMessage("upstream_failed", error.detail) from None
    nominated = tokens(special.get(b"connection", b""))
    if code < 200 and (chunked or length is not None):
        raise BadMessage("upstream_failed", "The upstream framed an interim answer.")
    # RFC 9112 §6.3: where the body ends.
    bodiless = code < 200 or code in NO_BODY or method == b"HEAD"
    announced = None if code == 204 else length
    is_chunked = chunked and not bodiless
    return ResponseHead(
        status, read, announced, nominated, block, chunked=is_chunked, bodiless=bodiless
    )


@lru_cache(maxsize=256)
def status_of(line: bytes) -> Status | None:
    """None for a malformed one. Few are ever said."""
    found = STATUS_LINE.fullmatch(line)
    if found is None:
        return None
    minor, code, reason = found.groups()
    line = b"HTTP/1.1 %b %b\r\n" % (code, reason or b"")
    return Status(int(code), 11 if minor == b"1" else 10, line)
