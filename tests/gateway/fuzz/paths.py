"""Fuzz target: the authorised path is the forwarded path, however often somebody decodes it."""

import re
from urllib.parse import unquote_to_bytes

from proxy.gateway.head import BadMessage, RequestHead, parse_request
from proxy.gateway.hygiene import Caller, Client, Destination, to_upstream
from proxy.gateway.paths import Kind, Route, classify, slug_of
from tests.gateway.fuzz import oracles

DEEPEST = 8
CALLER = Caller(b"rid", Client("192.0.2.1", b"http", b"a"))
TARGET = Destination(b"up.test", b"/base")
SLUG = re.compile(rb"[a-z0-9][a-z0-9-]{0,59}")

SEEDS = [
    b"/proxy/echo/v1/chat/completions?a=b",
    b"/proxy/echo/a%2Fb%20c%C3%A4;v=1/x",
    b"/proxy/echo/%252541/..a/...",
    b"/proxy/echo/a%2f..%2fb",
    b"/proxy/echo/%c0%ae%c0%ae/x",
    b"/proxy/echo/..;/%25%32%65",
    b"/proxy/a-1",
    b"/api/v1/webhooks/wordpress",
    b"/%61pi/v1/me/",
    b"/auth/%76erify?x",
    b"/%70roxy/echo/x",
    b"http://a/proxy/echo//x",
    b"/proxy/echo/%2525252e%2525252e/x",
    b"/proxy/echo/%252525252e%252525252e/x",
    b"/proxy/echo/..%f8%80%80%80%afx",
    b"/proxy/echo/a%255cb/..%20/c",
]
TOKENS = [
    b"/../",
    b"/./",
    b"//",
    b"%2e",
    b"%2F",
    b"%5c",
    b"%25",
    b"%252e",
    b"%00",
    b"%c0%ae",
    b"%c0%af",
    b"%c1%9c",
    b"%e0%80%ae",
    b"%f0%80%80%ae",
    b"%f8%80%80%80%af",
    b"%fc%80%80%80%80%ae",
    b"..;/",
    b"%20/",
    b"%3f",
    b"%23",
    b"%u002e",
    b"/proxy/",
    b"/api/v1/",
    b"webhooks/",
    b"\\",
]


def check(data: bytes) -> None:
    try:
        head = parse_request(b"GET " + data + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    except BadMessage:
        return
    assert slug_of(head.path) in {b"", *head.path.split(b"/")}
    try:
        route = classify(head)
    except BadMessage as error:
        if error.code not in {"path_refused", "upstream_unknown"}:
            raise
        return
    if route.kind is Kind.PROXY:
        check_forwarded(head, route)
    else:
        check_for_django(unquote_to_bytes(head.path), route)


def check_forwarded(head: RequestHead, route: Route) -> None:
    assert SLUG.fullmatch(route.slug)
    assert head.path in {b"/proxy/" + route.slug + route.rest, b"/proxy/" + route.slug}
    (message,) = oracles.requests(to_upstream(head, route.rest, TARGET, CALLER)).messages
    path, mark, query = message.target.partition(b"?")
    assert path == b"/base" + route.rest
    assert (query if mark else None) == head.query
    for text in readings(route.rest):
        for way in (text, text.replace(b"\\", b"/"), re.sub(rb";[^/]*", b"", text)):
            assert is_settled(way), way


def check_for_django(decoded: bytes, route: Route) -> None:
    """Django decodes once: what it then takes for the interface, or for us, must be judged so."""
    assert not decoded.startswith(b"/proxy/")
    assert route.slug == b""
    if decoded.rstrip(b"/") in {b"/metrics", b"/auth/verify", b"/healthz", b"/readyz"}:
        assert route.kind is not Kind.API
    if decoded.startswith(b"/auth/verify/"):
        assert route.kind is Kind.VERIFY
    if decoded.startswith(b"/api/v1/"):
        assert (route.kind is Kind.OPEN) == decoded.startswith(b"/api/v1/webhooks/")
    else:
        assert route.kind is not Kind.KEYS_VERIFY


def readings(rest: bytes) -> set[bytes]:
    """Every text that a reader could make of it by decoding."""
    found: set[bytes] = set()
    for _ in range(DEEPEST):
        found |= {rest, overlong(rest)}
        rest = unquote_to_bytes(rest)
    return found | {overlong(rest)}


def overlong(text: bytes) -> bytes:
    """As a decoder reads UTF-8 that does not mind longer forms than need be."""
    made, at = bytearray(), 0
    while at < len(text):
        lead = text[at]
        size = next((n for n in range(2, 7) if lead >> (7 - n) == (1 << (n + 1)) - 2), 1)
        rest = text[at + 1 : at + size]
        value = lead & (0x7F >> size)
        for byte in rest:
            value = value << 6 | byte & 0x3F
        if size == 1 or len(rest) < size - 1 or any(byte >> 6 != 2 for byte in rest) or value > 127:
            made.append(lead)
            at += 1
        else:
            made.append(value)
            at += size
    return bytes(made)


def is_settled(path: bytes) -> bool:
    """No segment that goes up, stays, or is empty before the last; no control, up to a mark."""
    path = re.split(rb"[?#]", path)[0]
    segments = path.split(b"/")
    dots = {segment.rstrip(b" ") for segment in segments} & {b".", b".."}
    return not (dots or b"" in segments[1:-1] or re.search(rb"[\0-\x1f\x7f]", path))
