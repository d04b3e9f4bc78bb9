"""Fuzz target: where WebSocket frames end, whatever the pieces they come in."""

from typing import NamedTuple

from proxy.gateway.frames import Frames
from tests.gateway.fuzz.requests import MOST_BY_ONE, SPLITS, pieces
from tests.gateway.handshake import frame

SEEDS = [
    frame(b"hello", opcode=1),
    frame(b"", opcode=9) + frame(b"x" * 126, mask=b"abcd") + frame(b"\x03\xe8", opcode=8),
    frame(b"\x88\x00" * 100, final=False) + frame(b"end", opcode=0),
    frame(b"y" * 300, mask=b"\0\0\0\0") + b"\x82\x7f\0\0\0\0\0\0\x01\x02" + b"z" * 258,
    b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x08\x80abcd\x81",
]
TOKENS = [b"\x88\x00", b"\x82\x7e\x00\x7e", b"\x82\x7f", b"\x82\xfe", b"\x82\xff", b"\x81\x7d"]


class Seen(NamedTuple):
    is_whole: bool
    is_closed: bool


def check(data: bytes) -> None:
    told = reference(data)
    for sizes in (*SPLITS, (max(len(data), 1),)):
        frames = Frames()
        for piece in pieces(data, sizes):
            frames.feed(piece)
            assert len(frames.header) < 14
        assert Seen(frames.is_whole, frames.is_closed) == told
    if len(data) <= MOST_BY_ONE:
        check_each_byte(data)


def check_each_byte(data: bytes) -> None:
    frames = Frames()
    for at in range(min(len(data), 64)):
        frames.feed(data[at : at + 1])
        assert Seen(frames.is_whole, frames.is_closed) == reference(data[: at + 1])


def reference(data: bytes) -> Seen:
    """RFC 6455 §5.2 once more, over all bytes at once."""
    at, is_closed = 0, False
    while at < len(data):
        header = data[at : at + 14]
        if len(header) < 2:
            return Seen(False, is_closed)
        size, mask = header[1] & 127, 4 * (header[1] >> 7)
        wide = {126: 2, 127: 8}.get(size, 0)
        if len(header) < 2 + wide + mask:
            return Seen(False, is_closed)
        is_closed = is_closed or header[0] & 15 == 8
        at += 2 + wide + mask + (int.from_bytes(header[2 : 2 + wide], "big") if wide else size)
    return Seen(at == len(data), is_closed)
