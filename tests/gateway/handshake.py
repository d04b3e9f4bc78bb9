"""The handshake of a WebSocket as a client and an upstream say it, and frames."""

import base64
import hashlib

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Wire

NONCE = base64.b64encode(b"0123456789abcdef").decode()
ASKED = (
    "Connection: keep-alive, Upgrade",
    "Upgrade: WebSocket",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {NONCE}",
)


def frame(payload: bytes, opcode: int = 2, mask: bytes = b"", final: bool = True) -> bytes:
    size = len(payload)
    width = 0 if size < 126 else 2 if size <= 0xFFFF else 8
    code, more = {0: size, 2: 126, 8: 127}[width], size.to_bytes(8, "big")[8 - width :]
    first = (0x80 if final else 0) | opcode
    return bytes((first, code | (0x80 if mask else 0))) + more + mask + payload


CLOSE = frame(b"\x03\xe8", opcode=8)


def accepted(nonce: str = NONCE, *more: str) -> bytes:
    digest = hashlib.sha1(f"{nonce}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    told = base64.b64encode(digest).decode()
    lines = ("Connection: Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Accept: {told}", *more)
    return "\r\n".join(("HTTP/1.1 101 Switching Protocols", *lines, "", "")).encode()


def ask(gateway: Gateway, secret: str, path: str, *lines: str) -> Wire:
    return gateway.connect().send(request("GET", f"/proxy/echo{path}", secret, *(lines or ASKED)))


def opened(gateway: Gateway, secret: str, path: str) -> Wire:
    wire = ask(gateway, secret, path)
    assert wire.head().status == 101
    return wire
