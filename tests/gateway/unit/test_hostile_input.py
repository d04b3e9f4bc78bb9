"""The largest hostile inputs cost milliseconds: no pattern backtracks, no loop is quadratic."""

from collections.abc import Callable
from contextlib import suppress
from time import process_time

import pytest

from apikeys.gate.forwarded import TrustedNetworks, client_address
from proxy.gateway.blocks import find_end
from proxy.gateway.chunked import ChunkedDecoder
from proxy.gateway.head import MAX_HEAD, BadMessage, parse_request
from proxy.gateway.injection import inject_query, query_parameter
from proxy.gateway.paths import classify
from proxy.gateway.response import parse_response
from tests.gateway.unit.heads import parsed

SIZE = MAX_HEAD - 64
LIMIT = 0.020  # seconds of CPU; measured 0.1 to 6 ms, anything quadratic takes a second

VALUES = {
    "spaces before a letter": " " * SIZE + "x",
    "spaces only": " " * SIZE,
    "letters and spaces": "x " * (SIZE // 2),
    "commas": "," * SIZE,
    "a bad end": "x" * SIZE + "\x00",
    "carriage returns": "\r" * SIZE,
}
PATHS = {
    "dots": "/" + "." * SIZE,
    "single dots": "/." * (SIZE // 2),
    "escapes": "/" + "%41" * (SIZE // 3),
    "escaped per cent": "/" + "%25" * (SIZE // 3),
    "five levels": "/" + "%2525252541" * (SIZE // 11),
    "parameters": "/a;" * (SIZE // 3),
    "semicolons": "/a" + ";" * SIZE,
    "dots and spaces": "/.." + "%20" * (SIZE // 3) + "x",
    "an odd last byte": "/a" * (SIZE // 2) + '"',
}


def seconds(call: Callable[[], object]) -> float:
    """CPU of the fastest of three: what a busy machine adds is not the parser's."""
    spent = []
    for _ in range(3):
        start = process_time()
        with suppress(BadMessage):
            call()
        spent.append(process_time() - start)
    return min(spent)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("name", ["X", "Connection", "Host", "Transfer-Encoding", "Expect"])
def test_field_values(name, value):
    fields = f"{name}:{value}\r\n\r\n".encode("latin-1")

    assert seconds(lambda: parse_request(b"GET / HTTP/1.1\r\n" + fields)) < LIMIT
    assert seconds(lambda: parse_response(b"HTTP/1.1 200 OK\r\n" + fields, b"GET")) < LIMIT
    assert seconds(lambda: find_end(bytearray(fields[:-4]))) < LIMIT


@pytest.mark.parametrize(
    "block",
    [
        b"A" * SIZE,
        b"GET /" + b"a" * SIZE,
        b"GET / HTTP/1.1\r\n" + b"a" * SIZE,
        b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * (SIZE // 5) + b"a",
        b"GET / HTTP/1.1\r\n" + b"a_b:c\r\n" * (SIZE // 7),
        b"GET http://" + b"a" * SIZE + b"! HTTP/1.1\r\nHost: a",
    ],
)
def test_heads(block):
    assert seconds(lambda: parse_request(block + b"\r\n\r\n")) < LIMIT


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("prefix", ["/proxy/echo", "/proxy/echo%41", ""])
def test_paths(prefix, path):
    head = parsed(line=f"GET {prefix}{path} HTTP/1.1")

    assert seconds(lambda: classify(head)) < LIMIT


@pytest.mark.parametrize(
    "body",
    [
        b"1" + b";a" * SIZE,
        b'1;a="' + b'\\"' * 500,
        b"0\r\n" + b"a:b\r\n" * 6000,
        b"1\r\na\r\n" * 6000,
    ],
    ids=["extensions", "quoted pairs", "trailers", "small chunks"],
)
def test_chunks(body):
    assert seconds(lambda: ChunkedDecoder().feed(body)) < LIMIT


def test_forwarded_for_and_queries():
    trusted = TrustedNetworks(("10.0.0.0/8",))
    hops = "10.0.0.1," * 3000 + "10.0.0.1"
    key = query_parameter("key", "s")

    assert seconds(lambda: client_address("10.0.0.1", hops, trusted)) < 5 * LIMIT
    assert seconds(lambda: inject_query(b"a&" * (SIZE // 2), key)) < 2 * LIMIT
