"""The response head of an upstream, bytes in and a ResponseHead out; knows no socket."""

import re
from dataclasses import dataclass
from typing import Final

from proxy.gateway.blocks import find_block_end
from proxy.gateway.head import (
    FIELD_LINE,
    BadMessage,
    Fields,
    framing,
    keeps_alive,
    parse_fields,
    read_special,
    tokens,
)

SWITCHING: Final = 101
RESPONSE: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*+))?\r\n"
    rb"((?:" + FIELD_LINE + rb")*+)\r\n"
)  # fmt: skip


@dataclass(slots=True)
class ResponseHead:
    """One answer. A body is sized by content_length, else chunked, else until_close."""

    status: int
    reason: bytes
    version: int  # 10 | 11
    headers: Fields
    content_length: int | None  # as announced, also where no body follows (HEAD, 304)
    chunked: bool
    until_close: bool
    bodiless: bool
    keep_alive: bool
    nominated: frozenset[bytes]

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
    found = RESPONSE.fullmatch(block)
    if found is None:
        raise BadMessage("upstream_failed", "The upstream's response head is malformed.")
    minor, code, reason, lines = found.groups()
    if code == b"101" and not may_switch:
        raise BadMessage("upstream_failed", "The upstream switched protocols unasked.")
    status, version = int(code), 11 if minor == b"1" else 10
    try:
        headers = parse_fields(lines)
        special = read_special(headers)
        length, chunked = framing(special, version)
    except BadMessage as error:
        raise BadMessage("upstream_failed", error.detail) from None
    nominated = tokens(special.get(b"connection", b""))
    answer = ResponseHead(
        status, reason or b"", version, headers, length, chunked, False, False, True, nominated
    )
    return delimit(answer, method)


def delimit(answer: ResponseHead, method: bytes) -> ResponseHead:
    """RFC 9112 §6.3: where the body ends."""
    status = answer.status
    if status < 200 and (answer.chunked or answer.content_length is not None):
        raise BadMessage("upstream_failed", "The upstream framed an interim answer.")
    answer.bodiless = method == b"HEAD" or status < 200 or status in {204, 304}
    if answer.bodiless:
        answer.chunked = False
    elif not answer.chunked and answer.content_length is None:
        answer.until_close = True
    if status == 204:
        answer.content_length = None
    answer.keep_alive = not answer.until_close and keeps_alive(answer.nominated, answer.version)
    return answer
