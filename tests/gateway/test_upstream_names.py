"""Names of upstreams: looked up beside, every address tried, changes followed. The pool is real and
so are its sockets; only the name server is a stand-in."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy.gateway.pool import Endpoint, Pool
from proxy.gateway.resolver import AFTER_FAILURE, LIFE, PATIENCE
from proxy.gateway.worker import THREADS
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import Full
from tests.gateway.wire import Server

pytestmark = pytest.mark.slow

ONE, TWO, THREE = "127.0.0.1", "127.0.0.2", "127.0.0.3"
NAME = "upstream.test"


class Names(asyncio.SelectorEventLoop):
    """A loop that asks no real name server."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: list[str] | Exception = []
        self.takes = 0.0
        self.asked = 0

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        if host != NAME:
            return await super().getaddrinfo(host, port, **_)
        self.asked += 1
        await asyncio.sleep(self.takes)
        if isinstance(self.answer, Exception):
            raise self.answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in self.answer]


class Door(asyncio.Protocol):
    """A server's side of a connection, which says nothing."""

    def __init__(self, made: list[asyncio.Transport]) -> None:
        self.made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.made.append(transport)


@asynccontextmanager
async def served(loop: Names, *addresses: str) -> AsyncIterator[Pool]:
    """A pool for NAME, with a server at each of these addresses."""
    made: list[asyncio.Transport] = []
    door = partial(Door, made)
    first = await loop.create_server(door, addresses[0], 0)
    port = int(first.sockets[0].getsockname()[1])
    servers = [first]
    servers += [await loop.create_server(door, each, port) for each in addresses[1:]]
    pool = Pool(loop, Endpoint(host=NAME, port=port), 4.0)
    try:
        yield pool
    finally:
        for server in servers:
            server.close()
        for transport in made:
            transport.abort()
        await asyncio.sleep(0.05)


def run(work: Callable[[Names], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=Names) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Names)
        runner.run(asyncio.wait_for(work(loop), 20))


def test_an_address_that_refuses_is_passed_over_and_put_last() -> None:
    async def work(loop: Names) -> None:
        loop.answer = [THREE, ONE, TWO]
        async with served(loop, ONE, TWO) as pool:
            sides = [await pool.acquire(1), await pool.acquire(1)]

            assert [side.address for side in sides] == [ONE, ONE]
            assert pool.resolver.known == (ONE, TWO, THREE)
            assert (pool.open, loop.asked) == (2, 1)
            for side in sides:
                side.abort()
            await asyncio.sleep(0.02)
            assert pool.open == 0

    run(work)


def test_an_address_that_is_silent_costs_its_share_of_the_time() -> None:
    async def work(loop: Names) -> None:
        loop.answer = [ONE, TWO]
        async with served(loop, TWO) as pool:
            full = Full(ONE, pool.endpoint.port)
            began = loop.time()

            side = await pool.acquire(1)

            assert side.address == TWO
            assert 0.45 <= loop.time() - began < 0.8
            full.close()

    run(work)


def test_where_no_address_answers_the_request_fails() -> None:
    async def work(loop: Names) -> None:
        loop.answer = [TWO, THREE]
        async with served(loop, ONE) as pool:
            with pytest.raises(ConnectionRefusedError):
                await pool.acquire(1)
            assert pool.open == 0

    run(work)


@pytest.mark.parametrize("fault", [socket.gaierror(-2, "unknown"), UnicodeError("too long"), None])
def test_a_name_without_an_address_fails_and_is_asked_for_again_soon(
    fault: Exception | None,
) -> None:
    async def work(loop: Names) -> None:
        loop.answer = fault or []
        async with served(loop, ONE) as pool:
            for _ in range(3):
                with pytest.raises(OSError, match="no address"):
                    await pool.acquire(1)
            assert (pool.open, loop.asked) == (0, 1)
            loop.answer = [ONE]
            await asyncio.sleep(AFTER_FAILURE)
            side = await pool.acquire(1)
            assert side.address == ONE

    run(work)


def test_many_ask_once_and_what_is_known_holds_for_a_while() -> None:
    async def work(loop: Names) -> None:
        loop.answer, loop.takes = [ONE], 0.05
        async with served(loop, ONE) as pool:
            await asyncio.gather(*(pool.acquire(1) for _ in range(20)))
            await pool.acquire(1)
            assert loop.asked == 1
            assert LIFE - 1 < pool.resolver.fresh_until - loop.time() <= LIFE

            pool.resolver.fresh_until = loop.time()
            await asyncio.gather(*(pool.acquire(1) for _ in range(20)))
            assert loop.asked == 2

    run(work)


def test_a_changed_name_is_followed_by_kept_and_by_busy_connections() -> None:
    async def work(loop: Names) -> None:
        loop.answer = [ONE]
        async with served(loop, ONE, TWO) as pool:
            kept, busy = await pool.acquire(1), await pool.acquire(1)
            pool.release(kept)
            loop.answer = [TWO]
            pool.resolver.fresh_until = loop.time()

            pool.sweep(loop.time())  # asks
            await asyncio.sleep(0.02)
            assert kept.is_open()
            pool.sweep(loop.time())  # acts on it
            pool.release(busy)

            assert (kept.is_open(), busy.is_open(), pool.take()) == (False, False, None)
            assert (await pool.acquire(1)).address == TWO

    run(work)


@pytest.mark.parametrize("takes", [0.0, 60.0])
def test_a_name_server_that_fails_or_hangs_stops_nobody(takes: float) -> None:
    async def work(loop: Names) -> None:
        loop.answer = [ONE]
        async with served(loop, ONE) as pool:
            await pool.acquire(1)
            loop.answer, loop.takes = socket.gaierror(-3, "try again"), takes
            pool.resolver.fresh_until = loop.time()
            began = loop.time()
            first = asyncio.create_task(pool.acquire(5))
            await asyncio.sleep(0)
            sides = await asyncio.gather(*(pool.acquire(5) for _ in range(20)))
            others = loop.time() - began

            await first

            assert {side.address for side in sides} == {ONE}
            assert others < 0.3
            assert loop.time() - began < PATIENCE + 0.3

    run(work)


def test_a_gateway_looks_names_up_in_threads_enough(
    start: Start, database: Database, upstream: Server
) -> None:
    """Of libuv's threads half look up names; with its own four, two that hang would stop all."""
    with database.rows():
        made = make.upstream("named", f"http://localhost:{upstream.port}")
    secret = database.key_for("named", "named")
    gateway = start().wait_until_ready()

    assert gateway.get("/proxy/named/x", secret).status == 200
    (pid,) = gateway.children()
    assert len(list(Path(f"/proc/{pid}/task").iterdir())) > int(THREADS)
    with database.rows():
        made.delete()
