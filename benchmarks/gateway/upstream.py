"""The upstream that streams: paced chunks, silent streams, large answers and large bodies.

``python upstream.py PORT ADDRESSES`` listens on 127.0.0.1, 127.0.0.2, … Paths end in /chunks,
/silent, /down, /up (reads a body and tells its size) or /count (chunks written so far).
"""

import asyncio
import re
import sys
from typing import Final, cast

import uvloop

CHUNKS: Final = 200
EVERY_SECONDS: Final = 0.002
TEXT: Final = b"data: " + b"x" * 112 + b"\n\n"
CHUNK: Final = b"%x\r\n%s\r\n" % (len(TEXT), TEXT)
STREAM: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LARGE: Final = 200_000_000
PIECE: Final = b"x" * 100_000
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Pace:
    """Writes the next chunk of every stream at once, every two milliseconds."""

    def __init__(self) -> None:
        self.left: dict[Client, int] = {}
        self.written = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            for client, left in list(self.left.items()):
                client.transport.write(CHUNK if left else b"0\r\n\r\n")
                self.left[client] = left - 1
                self.written += left > 0
                if not left:
                    del self.left[client]


class Client(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.head = b""
        self.body_left = 0
        self.body = 0
        self.to_write = 0
        self.writable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.pace.left.pop(self, None)
        self.to_write = 0

    def data_received(self, data: bytes) -> None:
        if self.body_left:
            self.take_body(len(data))
            return
        self.head += data
        head, ended, rest = self.head.partition(b"\r\n\r\n")
        if not ended:
            return
        self.head = b""
        path = head.split(b" ", 2)[1]
        length = LENGTH.search(head)
        if path.endswith(b"/up") and length:
            self.body = self.body_left = int(length[1])
            self.take_body(len(rest))
        else:
            self.answer(path)

    def take_body(self, size: int) -> None:
        self.body_left -= size
        if not self.body_left:
            self.say(b"%d" % self.body)

    def answer(self, path: bytes) -> None:
        if path.endswith(b"/chunks"):
            self.transport.write(STREAM)
            self.pace.left[self] = CHUNKS
        elif path.endswith(b"/silent"):
            self.transport.write(STREAM + CHUNK)
        elif path.endswith(b"/down"):
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
            self.to_write = LARGE
            self.resume_writing()
        else:
            self.say(b"%d" % self.pace.written)

    def say(self, body: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        while self.to_write and self.writable:
            self.to_write -= len(PIECE)
            self.transport.write(PIECE)


async def main(port: int, addresses: int) -> None:
    pace, loop = Pace(), asyncio.get_running_loop()
    hosts = [f"127.0.0.{number}" for number in range(1, addresses + 1)]
    await loop.create_server(lambda: Client(pace), hosts, port, backlog=4096)
    await pace.run()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
