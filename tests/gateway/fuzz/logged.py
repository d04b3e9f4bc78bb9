"""Fuzz target: what a row of the request log says of bytes that are no request, LOG-01, LOG-04."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from apikeys.requestlog.row import PATH_LENGTH
from momentry.common.ownkeys import without_keys
from proxy.gateway.answers import Answer
from proxy.gateway.blocks import whole_head
from proxy.gateway.head import BadMessage, parse_request
from proxy.gateway.rejected import row_of
from tests.gateway.fuzz.credentials import KEY
from tests.gateway.fuzz.requests import TOKENS as HEAD_TOKENS
from tests.gateway.fuzz.requests import VALID

NOW = datetime(2026, 12, 1, tzinfo=UTC)
CONNECTION = cast("Any", SimpleNamespace(core=SimpleNamespace(now=lambda: NOW), peer="::1"))
REFUSED = Answer(400, b"", b"body", "bad_request", "x" * 500)
OUR_KEY = re.compile(r"(?:muser|mtrial|msvc|madm)_[0-9a-z]{4}[0-9a-z_%]{16}", re.IGNORECASE)
ESCAPE = re.compile(r"%(?:25)*([0-9a-f]{2})", re.IGNORECASE)
CODED = "".join(f"%{ord(char):02X}" for char in KEY)

SEEDS = [
    *VALID,
    b"GET /proxy/echo/" + KEY.encode() + b"?k=" + KEY.encode() + b" HTTP/1.1\r\n\x00",
    b"\r\n\nget http://a.test:80/" + CODED.encode() + b" HTTP/9",
    b"POST /" + CODED.replace("%", "%25").encode() + b"#x\r\n",
    b"X" * 17 + b" / HTTP/1.1",
    b"GET " + b"/a\x80\xff\x1b[31m" * 700,
    b"GET https://u@a/" + b"b" * 5000,
    b"GET http://a\r\nX:/later/line HTTP/1.1\r\n",
    b"GET http://a.test?x=/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /" + b"a" * 2030 + KEY.encode(),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]
TOKENS = [
    *HEAD_TOKENS, KEY.encode(), CODED[:60].encode(), b"%6duser_", b"%256D", b"user_", b"mtrial%5f",
    b"%25255F", b"MSVC_", b"madm_0000", b"0" * 16, b"http://a", b"\x1b[2J", b"\x85", b"%",
]  # fmt: skip


def check(data: bytes) -> None:
    check_row(data)
    check_text(data.decode("latin-1"))


def check_row(data: bytes) -> None:
    row = row_of(CONNECTION, "rid", REFUSED, data)
    assert (row.ts, row.id, row.status, row.bytes_out) == (NOW, "rid", 400, 4)
    assert len(row.error_detail) <= 200
    assert bool(row.method) == bool(row.path)
    assert re.fullmatch(r"[A-Za-z]{0,16}", row.method)
    assert re.fullmatch(r"(?:/[!-\"$->@-~…?]*)?", row.path), row.path
    assert len(row.path) <= PATH_LENGTH
    first = data.lstrip(b"\r\n").replace(b"\n", b"\r").partition(b"\r")[0]
    assert row == row_of(CONNECTION, "rid", REFUSED, first), "a later line is no part of it"
    end = whole_head(data)
    try:
        head = parse_request(data[:end])
    except BadMessage:
        return
    plain = head.path[:PATH_LENGTH].decode()
    if len(data.split(b" ")[1]) < 300:
        assert (row.method, row.path) == (head.method.decode(), without_keys(plain))


def check_text(text: str) -> None:
    """No key of ours is in it, however often somebody decodes it; the rest stays as it is."""
    shown = without_keys(text)
    assert len(shown) <= len(text)
    assert shown != text or not OUR_KEY.search(decoded(text))
    assert not OUR_KEY.search(shown)
    assert not OUR_KEY.search(decoded(shown))
    at = 0
    for piece in shown.split("…****"):
        at = text.index(piece, at) + len(piece)


def decoded(text: str) -> str:
    """However often each character was percent-encoded."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
