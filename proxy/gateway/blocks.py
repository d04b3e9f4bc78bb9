"""Where a head block ends in the bytes that came; knows no more of it."""

import re
from typing import Final

from proxy.gateway.head import MAX_HEAD, BadMessage

RETURN: Final = 0x0D
LEADING_LINES: Final = re.compile(rb"(?:\r\n)++")
# What no head can contain, wherever it will end: refused at once instead of waited out.
BROKEN: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n|\Z)")


def whole_head(data: bytes) -> int:
    """Length of the head that ``data`` begins with, as find_end; 0 where only that can say."""
    end = data.find(b"\r\n\r\n") + 4
    return end if 4 < end <= MAX_HEAD and data[0] != RETURN else 0


def find_end(buffer: bytearray, start: int = 0) -> int:
    """Length of the first head block in ``buffer`` with its CRLFCRLF, or -1 while incomplete.

    Empty lines before the request line are removed from the buffer (RFC 9112 §2.2). ``start`` is
    where the caller's last look ended; it may be 0 always. Raises BadMessage.
    """
    if buffer[:1] == b"\r" and (found := LEADING_LINES.match(buffer)):
        del buffer[: found.end()]
        start = 0
    return find_block_end(buffer, start)


def find_block_end(buffer: bytes | bytearray, start: int = 0) -> int:
    begin = max(0, start - 3)
    end = buffer.find(b"\r\n\r\n", begin)
    if end >= 0:
        if end + 4 > MAX_HEAD:
            raise BadMessage("head_too_large", "The header section exceeds 32 KiB.")
        return end + 4
    if BROKEN.search(buffer, begin):
        raise BadMessage("bad_request", "The header section holds a character it must not hold.")
    if len(buffer) > MAX_HEAD:
        raise BadMessage("head_too_large", "The header section exceeds 32 KiB.")
    return -1
