"""Deadlines of the client's side, by the sweeper's own clock: nothing here waits for real."""

import asyncio
import time
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apikeys.gate.door import AsyncDoor
from apikeys.gate.forwarded import TrustedNetworks
from apikeys.gate.lockout import Rules
from proxy.gateway import connection
from proxy.gateway.client_side import ClientSide
from proxy.gateway.connection import Connection
from proxy.gateway.core import Core
from proxy.gateway.draining import protocols_of
from proxy.gateway.fence import Fence
from proxy.gateway.logwriter import LogWriter
from proxy.gateway.metrics import Metrics
from proxy.gateway.opencalls import OpenCalls
from proxy.gateway.settings import Address, Settings
from proxy.gateway.slowness import Slowness


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connection, Reader, Writer]]:
    """A client's connection to a gateway whose Django accepts and says nothing."""
    loop = asyncio.get_running_loop()
    silent = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    place = Address("", *silent.sockets[0].getsockname())
    settings = Settings(
        "127.0.0.1", 0, 1, "", place, TrustedNetworks(), 1.0, 1, 1.0, "", "", Rules()
    )
    core = Core(loop, settings, Metrics(1), b"")
    core.log, core.slowness = LogWriter("", core.metrics), Slowness(0)
    core.calls = OpenCalls()
    core.fence = Fence("", 1.0, None)  # never renewed: the clock is this machine's
    # Open routes ask the door for nothing but IP rules.
    core.door = AsyncDoor(None, None, None, None, None, None, None)
    core.door.rules.replace([], "read")
    server = await loop.create_server(protocols_of(core), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await asyncio.sleep(0.05)
    (client,) = core.clients
    try:
        yield client, reader, writer
    finally:
        client.abort()
        writer.close()
        server.close()
        silent.close()
        await asyncio.sleep(0.05)


async def answer_after(sent: bytes, seconds: float) -> bytes:
    """What the client reads when so much time has passed since it sent this."""
    async with connected() as (client, reader, writer):
        writer.write(sent)
        await asyncio.sleep(0.05)
        client.check(client.core.loop.time() + seconds)
        return await asyncio.wait_for(reader.read(4096), 0.5)


class Newcomer(ClientSide):
    """One of whom only the place matters."""


def run(work: Coroutine[Any, Any, bytes]) -> bytes:
    return asyncio.run(work)


def test_a_head_that_does_not_end_is_408() -> None:
    answer = run(answer_after(b"GET / HTTP/1.1\r\n", connection.HEAD_SECONDS))

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer


def test_a_silent_connection_is_closed_without_a_word() -> None:
    assert run(answer_after(b"", connection.HEAD_SECONDS)) == b""


def test_a_body_that_stops_is_408() -> None:
    post = b"POST /claim/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"

    assert run(answer_after(post, connection.BODY_IDLE_SECONDS)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n", b""])
def test_before_its_time_nothing_happens(sent: bytes) -> None:
    with pytest.raises(TimeoutError):
        run(answer_after(sent, connection.HEAD_SECONDS - 1))


def test_empty_lines_before_a_request_buy_no_time() -> None:
    async def deadlines() -> bytes:
        async with connected() as (client, _, writer):
            first = client.deadline
            for _ in range(3):
                await asyncio.sleep(0.05)
                writer.write(b"\r\n")
            await asyncio.sleep(0.05)
            return b"same" if client.deadline == first else b"later"

    assert run(deadlines()) == b"same"


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n", b""])
def test_what_arrived_unread_is_a_request_under_way(said: bytes) -> None:
    """A newcomer to a process that is full comes before it is read."""

    async def makes_room() -> bytes:
        async with connected() as (client, _, writer):
            writer.write(said)
            time.sleep(0.01)  # noqa: ASYNC251 - the loop must not read it
            return b"%d" % client.core.places.make_room(Newcomer(client.core))

    assert run(makes_room()) == b"%d" % (not said)
