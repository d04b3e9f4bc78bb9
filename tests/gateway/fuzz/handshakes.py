"""Fuzz target: the two halves of a WebSocket's handshake, beside a library that is not ours.

The first byte's lowest bit: the rest is the fields of an answer to NONCE, else those of a request.
"""

import base64
import hashlib

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from proxy.gateway.clients import Client
from proxy.gateway.head import BadMessage, Fields, parse_request
from proxy.gateway.hygiene import Caller, Destination, to_client, to_upstream
from proxy.gateway.response import parse_response
from proxy.gateway.upgrade import is_accepted, nonce_of, switching
from tests.gateway.fuzz import oracles
from tests.gateway.handshake import ASKED, NONCE, accepted

GET = b"GET /ws HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n%b\r\n\r\n"
CALLER = Caller(b"rid", Client("192.0.2.1", b"http", b"a"))
TARGET = Destination(b"up.test")
NEGOTIATED = {b"sec-websocket-extensions", b"sec-websocket-protocol"}  # between the two ends

ANSWER = accepted().split(b"\r\n", 1)[1].rstrip()
QUESTION = "\r\n".join(ASKED).encode()
SEEDS = [
    b"\x00" + QUESTION,
    b"\x00" + QUESTION.replace(b"keep-alive, ", b"").lower(),
    b"\x00" + QUESTION + b"\r\nContent-Length: 0\r\nSec-WebSocket-Protocol: a, b",
    b"\x00" + QUESTION + b"\r\nContent-Length: 1",
    b"\x00" + QUESTION + b"\r\nUpgrade: h2c",
    b"\x00" + QUESTION.replace(b"13", b"8, 13"),
    b"\x00" + QUESTION.replace(b"==", b"="),
    b"\x01" + ANSWER,
    b"\x01" + ANSWER.replace(b"Upgrade\r", b"close, upgrade\r"),
    b"\x01" + ANSWER.replace(b"websocket", b"WebSocket, h2c"),
    b"\x01" + ANSWER + b"\r\nSec-WebSocket-Accept: x",
    b"\x01" + accepted(base64.b64encode(b"another's nonce!").decode()).split(b"\r\n", 1)[1][:-4],
]
TOKENS = [
    b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n", b"Sec-WebSocket-Version: 13\r\n",
    b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Accept: ", NONCE.encode(), b"=", b"==", b", upgrade",
    b"websocket", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 0\r\n", b"Expect: ",
    b"Connection: sec-websocket-key\r\n", b"\xc3\xa9",
]  # fmt: skip


def check(data: bytes) -> None:
    if data[:1] and data[0] & 1:
        check_answer(SWITCHED % data[1:])
    else:
        check_question(GET % data[1:])


def check_question(block: bytes) -> None:
    try:
        head = parse_request(block)
    except BadMessage:
        return
    nonce = nonce_of(head)
    framed = head.chunked or bool(head.content_length)
    assert bool(nonce) == (not framed and asks(head.headers))
    if not nonce:
        return
    assert serves(head.headers) == told(nonce)
    (sent,) = oracles.requests(switching(to_upstream(head, b"/ws", TARGET, CALLER))).messages
    lost = head.nominated & {b"sec-websocket-key", b"sec-websocket-version"}
    assert lost or serves(sent.headers) == told(nonce)
    answer = parse_response(accepted(nonce.decode()), b"GET", may_switch=True)
    assert is_accepted(answer, nonce)
    assert not is_accepted(answer, nonce + b"=")


def check_answer(block: bytes) -> None:
    try:
        answer = parse_response(block, b"GET", may_switch=True)
    except BadMessage as error:
        if error.code != "upstream_failed":
            raise
        return
    stands = is_accepted(answer, NONCE.encode())
    headers = answer.headers
    assert stands == (
        b"upgrade" in members(headers, b"connection")
        and [value.lower() for value in of(headers, b"upgrade")] == [b"websocket"]
        and of(headers, b"sec-websocket-accept") == [told(NONCE.encode()).encode()]
    )
    if stands:
        assert accepts(headers)
        sent = switching(to_client(answer, version=11, request_id=b"rid", foreign=True))
        (seen,) = oracles.answers(sent).messages
        lost = b"sec-websocket-accept" in answer.nominated
        assert lost or accepts(seen.headers)


def told(nonce: bytes) -> str:
    """RFC 6455 §4.2.2."""
    digest = hashlib.sha1(nonce + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return base64.b64encode(digest).decode()


def of(headers: Fields, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def members(headers: Fields, wanted: bytes) -> list[bytes]:
    """Of a comma list, lower case."""
    values = b",".join(of(headers, wanted)).lower()
    return [value.strip(b" \t") for value in values.split(b",")]


def asks(headers: Fields) -> bool:
    (nonce,) = of(headers, b"sec-websocket-key")[:1] or [b""]
    try:
        known = len(base64.b64decode(nonce, validate=True)) == 16
    except ValueError:
        known = False
    counts = [len(of(headers, b"sec-websocket-" + name)) for name in (b"key", b"version")]
    return (
        known
        and counts == [1, 1]
        and of(headers, b"sec-websocket-version") == [b"13"]
        and b"upgrade" in members(headers, b"connection")
        and [value.lower() for value in of(headers, b"upgrade")] == [b"websocket"]
    )


def as_theirs(headers: Fields) -> Headers:
    """Without what an odd neighbour of "upgrade" or the two ends' own affairs would make of it."""
    made = Headers()
    for name, value in headers:
        if name == b"connection":
            made["Connection"] = "upgrade" if b"upgrade" in members([(name, value)], name) else "x"
        elif name not in NEGOTIATED:
            made[name.decode()] = value.decode("latin-1")
    return made


def serves(headers: Fields) -> str:
    """What a server of theirs would say to it; "" for a refusal."""
    request = Request("/ws", as_theirs(headers))
    try:
        return ServerProtocol().process_request(request)[0]
    except (InvalidHandshake, ValueError):
        return ""


def accepts(headers: Fields) -> bool:
    """Would a client of theirs that sent NONCE?"""
    client = ClientProtocol(parse_uri("ws://a/ws"))
    client.key = NONCE
    try:
        client.process_response(Response(101, "", as_theirs(headers)))
    except (InvalidHandshake, ValueError):
        return False
    return True
