"""Fuzz target: the event that tells what a stream used, kept from a client that did not ask.

A second reading takes the stream whole, line by line; whatever the pieces, the same comes out, and
nothing waits that need not.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from proxy.usage.hiding import MOST, Hider
from tests.gateway.fuzz.requests import MOST_BY_ONE, SPLITS, pieces

TOLD = b'{"choices":[],"usage":{"prompt_tokens":1}}'
LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
SEEDS = [
    b'data: {"choices":[{"a":"b"}],"usage":null}\n\ndata: %b\n\ndata: [DONE]\n\n' % TOLD,
    b'data: {"id":"a"}\r\n\r\ndata: %b\r\n\r\ndata: [DONE]\r\n\r\n' % TOLD,
    b"data:%b\r\rdata: x\r\r: hello\r\r" % TOLD,
    b'event: a\nid: 1\ndata: {"choices" : [ ],\ndata: "usage":{}}\nretry: 5\n\n: b\n\n',
    b'data: {"choices":[],"usage":null}\n\ndata:  %b\n\ndata: %b' % (TOLD, TOLD),
    b'data: {"choices":[],"usage":{"choices":[]}}\n\ndata: {"choices":[1],"usage":{}}\n\n',
    b"data: %b\r\n\n%b\n\r\ndata\n\n\n\n" % (TOLD, TOLD),
    b"\xef\xbb\xbfdata: %b\n\n" % TOLD,
    b'data: {"choices":null,"a":{"choices":[]},"usage":{}}\n\n',
    b'data: {"choices":[\ndata: ],"usage":{"a":1\ndata: 2}}\n\ndata:\n\n',
    b"data: " + b"x" * (2 * MOST) + b"\n\ndata: %b\n\n" % TOLD,
]  # fmt: skip
TOKENS = [
    b"data: " + TOLD + b"\n\n", b"data:", b"\ndata: ", b"\r\n\r\n", b"\n\n", b"\r\r", b"\r\n\n",
    b"\n\r\n", b"\r", b'"choices":[]', b'"choices" : [\n]', b'"choices":[{}]', b'"usage":{}', b"{",
    b'"usage":null', b"}", b": x\n\n", b"event: a\n", b"x" * MOST, b"\\u0063hoices", b"[DONE]",
]  # fmt: skip


def check(data: bytes) -> None:
    told = events(data)
    if max(map(len, told), default=0) > MOST or any(map(is_odd, told)):
        passed(pieces(data, (4096,)))
        return
    expected = [event for event in told if not is_meant(event)]
    ways = [[data], *([*pieces(data, sizes)] for sizes in SPLITS)]
    for parts in ways if len(data) <= MOST_BY_ONE else ways[:1]:
        made = passed(parts)
        assert [*map(read, events(made))] == [*map(read, expected)]
        assert made == data or len(expected) < len(told)


def read(event: bytes) -> bytes:
    """What stood around one that went may make one line end of two."""
    return event.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def passed(parts: Iterable[bytes]) -> bytes:
    hider, made = Hider(), b""
    for part in parts:
        made += hider.feed(part)
        assert len(hider.held) <= MOST
    return made + hider.rest()


def events(data: bytes) -> list[bytes]:
    """Each with the empty line that ends it; empty lines before one are nobody's."""
    made, event = [], b""
    for line in LINE.findall(data):
        is_empty = not line.strip(b"\r\n")
        if event and is_empty:
            made.append(event + line)
            event = b""
        elif not is_empty:
            event += line
    return [*made, event] if event else made


def is_odd(event: bytes) -> bool:
    """Written in a way that nobody writes: names in escapes, or another line between those of one
    document."""
    lines = [line.strip(b"\r\n").startswith(b"data") for line in LINE.findall(event)]
    inside = lines[lines.index(True) :] if True in lines else []
    while inside and not inside[-1]:
        inside.pop()
    return b"\\u" in event or not all(inside)


def is_meant(event: bytes) -> bool:
    values = []
    for line in LINE.findall(event):
        field, _, value = line.strip(b"\r\n").partition(b":")
        if field == b"data":
            values.append(value.removeprefix(b" "))
    try:
        told: Any = json.loads(b"\n".join(values).decode("utf-8", "replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(told, dict) and told.get("choices") == [] and isinstance(told.get("usage"), dict)
    )
