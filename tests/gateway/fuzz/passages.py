"""Fuzz target: heads that a kept passage takes for the same are the same but for their length."""

import re
from collections.abc import Iterator
from dataclasses import replace

from proxy.gateway.blocks import whole_head
from proxy.gateway.head import BadMessage, Fields, RequestHead, parse_request
from proxy.gateway.passages import Passages, Shown
from proxy.gateway.upgrade import nonce_of
from tests.gateway.fuzz import attacks
from tests.gateway.fuzz.requests import TOKENS as HEAD_TOKENS
from tests.gateway.fuzz.requests import VALID

LENGTH = re.compile(rb"content-length:[ \t]*([0-9]*)", re.IGNORECASE)
DIGITS = (b"", b"0", b"7", b"007", b"42", b"9" * 15, b"9" * 16)
POST = b"POST /proxy/echo/x HTTP/1.1\r\nHost: a\r\n%b\r\nX: y\r\n\r\n"

SEEDS = [
    *VALID,
    POST % b"Content-Length: 12",
    POST % b"content-length: 12",
    POST % b"Content-length: 12",
    POST % b"CONTENT-LENGTH: 12",
    POST % b"X-Content-Length: 12\r\nContent-Length: 3",
    POST % b"Content-Length: 3\r\nX-Content-Length: 12",
    POST % b"X-Content-Length: 42\r\nContent-Length: 7",
    POST % b"Content-Length: 7\r\nX-Content-Length: 42",
    POST % b"X: \r\tContent-Length: 3",
    *(POST % fields for fields in attacks.LENGTH_FIELDS),
]
TOKENS = [*HEAD_TOKENS, b"ontent-Length: ", b"ontent-length: ", b"\r\nC", b"Content-Length: \r\n"]

PASSAGES = Passages()


def check(data: bytes) -> None:
    end = whole_head(data)
    block = data[:end]
    shown = PASSAGES.show(block, "192.0.2.1") if end else None
    if shown is None:
        return
    assert PASSAGES.show(block, "192.0.2.11") != shown
    for kept in neighbours(block):
        before = PASSAGES.show(kept, "192.0.2.1") if whole_head(kept) == len(kept) else None
        if before is not None and before.mark == shown.mark and may_be_kept(kept, before):
            check_same(parse_request(kept), block, shown)


def neighbours(block: bytes) -> Iterator[bytes]:
    """The head itself, and with other digits wherever a length seems to stand."""
    yield block
    for found in LENGTH.finditer(block):
        for digits in DIGITS:
            yield block[: found.start(1)] + digits + block[found.end(1) :]


def may_be_kept(block: bytes, shown: Shown) -> bool:
    """As passages.can_pass() says of the head alone."""
    try:
        head = parse_request(block)
    except BadMessage:
        return False
    length = int(shown.length) if shown.length else None
    waits = any(name == b"expect" for name, _ in head.headers)
    switches = b"upgrade" in head.nominated
    return head.content_length == length and not (head.chunked or waits or switches)


def check_same(kept: RequestHead, block: bytes, shown: Shown) -> None:
    """Read the long way, it is what the passage makes of it."""
    head = parse_request(block)
    assert not nonce_of(head)
    assert head.content_length == (int(shown.length) if shown.length else None)
    assert replace(head, headers=[], content_length=None) == replace(
        kept, headers=[], content_length=None
    )
    assert without_length(head.headers) == without_length(kept.headers)


def without_length(headers: Fields) -> Fields:
    return [(name, b"" if name == b"content-length" else value) for name, value in headers]
