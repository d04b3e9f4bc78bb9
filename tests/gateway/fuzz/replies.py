"""Fuzz target: what Valkey replies, or whoever answers at its address (RESP 2)."""

from typing import Any

from apikeys.gate.link import MISSING, LinkError, encode, parse
from apikeys.gate.shapes import is_number, numbers, places

KINDS = b"+-:$*"
MOST_BY_ONE = 200
SEEDS = [
    b":-7\r\n*3\r\n:1\r\n$4\r\na\r\nb\r\n$-1\r\n+OK\r\n-NOSCRIPT no\r\n*0\r\n",
    b"*4\r\n:9223372036854775807\r\n:-9223372036854775808\r\n:0\r\n+\r\n",
    b"$0\r\n\r\n$-1\r\n*-1\r\n",
    b"*1\r\n*1\r\n:1\r\n",
    b"$99999999999999999999\r\nabc",
    b"*99999999999999999999\r\n:1\r\n",
    b":1_0\r\n: 5\r\n:+5\r\n$1_0\r\n0123456789\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b":" + b"9" * 5000 + b"\r\n",
]
TOKENS = [b"\r\n", b"*1\r\n", b"*-1\r\n", b"$-1\r\n", b"$5\r\n", b":1\r\n", b"-ERR ", b"+OK\r\n"]


def check(data: bytes) -> None:
    check_reply(data)
    words = [data[:3].hex(), len(data), data.decode("latin-1")[:40]]
    sent = encode(tuple(words))
    told, end = parse(sent, 0)
    assert (told, end) == ([str(word).encode() for word in words], len(sent))


def check_reply(data: bytes) -> None:
    """The same in any pieces, never early, and no further than it reaches."""
    at = 0
    for _ in range(8):
        value, end = read(data, at)
        if value is MISSING:
            assert end == at or data[at : at + 1] == b"*"
            break
        if value is ValueError:
            break
        assert at < end <= len(data)
        assert data[at] in KINDS
        check_value(value)
        assert read(data[:end], at) == (value, end) or isinstance(value, LinkError | list)
        check_cuts(data[at:end])
        at = end


def check_cuts(whole: bytes) -> None:
    marks = range(len(whole)) if len(whole) <= MOST_BY_ONE else (1, 2, len(whole) - 1)
    for cut in marks:
        assert read(whole[:cut], 0)[0] is MISSING, cut


def read(data: bytes, at: int) -> tuple[Any, int]:
    try:
        return parse(data, at)
    except ValueError:
        return ValueError, at


def check_value(value: Any) -> None:
    """Nothing but what scripts can say, and the shapes take no more than they name."""
    assert value is None or isinstance(value, int | bytes | list | LinkError)
    items = value if isinstance(value, list) else []
    assert all(each is None or isinstance(each, int | bytes | LinkError) for each in items)
    if numbers(len(items))(value):
        assert all(isinstance(each, int) and abs(each) < 1 << 63 for each in items)
    if places(3)(value):
        assert set(items) <= {1, 2, 3}
    assert not is_number(items)
