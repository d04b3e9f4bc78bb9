"""The upstream of the soak: ``python soak_upstream.py PORT`` listens on 127.0.0.1.

Paths end in /json, /events (ten events, one each 50 ms), /never (an answer that begins and does not
end), /up (counts a body), /down (a mebibyte) or /socket (a WebSocket that answers each message).
"""

import asyncio
import contextlib
import re
import sys
from pathlib import Path
from typing import Final

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.gateway.handshake import CLOSE, accepted, frame

EVENTS: Final = 10
EVERY_SECONDS: Final = 0.05
EVENT: Final = b"data: " + b"x" * 112 + b"\n\n"
CHUNK: Final = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
STREAM: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
JSON: Final = b'{"id": "1", "text": "' + b"y" * 900 + b'"}'
LARGE: Final = b"x" * (1 << 20)
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
NONCE: Final = re.compile(rb"\r\nsec-websocket-key: *(\S+)", re.IGNORECASE)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = await read_body(reader, head)
            await answer(head, size, reader, writer)
            await writer.drain()
    writer.close()


async def read_body(reader: asyncio.StreamReader, head: bytes) -> int:
    if found := LENGTH.search(head):
        return await skip(reader, int(found[1]))
    total = 0
    while CHUNKED.search(head):
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        total += await skip(reader, size)
        await reader.readexactly(2)
        if not size:
            break
    return total


async def skip(reader: asyncio.StreamReader, size: int) -> int:
    left = size
    while left:
        piece = await reader.read(min(left, 65_536))
        if not piece:
            raise ConnectionResetError
        left -= len(piece)
    return size


async def answer(
    head: bytes, size: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    path = head.split(b" ", 2)[1]
    if path.endswith(b"/events"):
        await stream(writer)
    elif path.endswith(b"/never"):
        writer.write(STREAM + CHUNK)
        await reader.readexactly(1)  # ends when the gateway leaves
    elif path.endswith(b"/socket"):
        await talk(head, reader, writer)
    else:
        body = {b"up": b"%d" % size, b"down": LARGE}.get(path.rpartition(b"/")[2], JSON)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)


async def stream(writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM)
    for _ in range(EVENTS):
        await asyncio.sleep(EVERY_SECONDS)
        writer.write(CHUNK)
    writer.write(b"0\r\n\r\n")


async def talk(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Each piece that comes is a message here: the soak waits for the answer to the last one."""
    found = NONCE.search(head)
    writer.write(accepted(found[1].decode() if found else ""))
    while data := await reader.read(65_536):
        if data[:1] == CLOSE[:1]:
            writer.write(CLOSE)
            break
        writer.write(frame(b"heard"))
    raise ConnectionResetError


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
