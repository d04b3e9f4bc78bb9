"""The handshake of a WebSocket, as each side says it (RFC 6455 §4); knows no socket."""

import base64
import binascii
import hashlib
from typing import Final

from proxy.gateway.head import Fields, RequestHead
from proxy.gateway.response import ResponseHead

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION: Final = b"13"
NONCE_BYTES: Final = 16
FIELDS: Final = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def nonce_of(head: RequestHead) -> bytes:
    """Sec-WebSocket-Key of a client that asks for a WebSocket; b"" of one that does not. Any other
    upgrade, or this one not said as it must be, is no upgrade: an ordinary request then."""
    if b"upgrade" not in head.nominated or head.method != b"GET" or head.has_body:
        return b""
    if head.version != 11 or only(head.headers, b"upgrade").lower() != b"websocket":
        return b""
    nonce = only(head.headers, b"sec-websocket-key")
    known = only(head.headers, b"sec-websocket-version") == VERSION
    return nonce if known and is_nonce(nonce) else b""


def is_nonce(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == NONCE_BYTES
    except binascii.Error:
        return False


def is_accepted(response: ResponseHead, nonce: bytes) -> bool:
    """Has the upstream of a 101 read this very handshake?"""
    # The GUID's digest is what RFC 6455 §4.2.2 says; nothing rests on its strength.
    digest = hashlib.sha1(nonce + GUID, usedforsecurity=False).digest()
    return (
        b"upgrade" in response.nominated
        and only(response.headers, b"upgrade").lower() == b"websocket"
        and only(response.headers, b"sec-websocket-accept") == base64.b64encode(digest)
    )


def only(headers: Fields, wanted: bytes) -> bytes:
    """The value of a field that is there once; else b""."""
    values = [value for name, value in headers if name == wanted]
    return values[0] if len(values) == 1 else b""


def switching(head: bytes) -> bytes:
    """A head that hygiene made, without hop-by-hop fields, with those of the upgrade."""
    return head[:-2] + FIELDS
