"""The floor of Python: a client's socket and an upstream's joined in uvloop, nothing read.

``python splice.py PORT UPSTREAM_PORT``
"""

import asyncio
import sys
from typing import cast

import uvloop


class Half(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, other: "Half | None" = None, port: int = 0) -> None:
        self.other = other
        self.port = port
        self.early: list[bytes] = []
        self.dialling: asyncio.Task[object] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.other is None:
            self.dialling = asyncio.create_task(self.dial())

    async def dial(self) -> None:
        loop = asyncio.get_running_loop()
        _, other = await loop.create_connection(lambda: Half(self), "127.0.0.1", self.port)
        other.transport.writelines(self.early)
        self.other = other

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.early.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()


async def main(port: int, upstream: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Half(port=upstream), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
