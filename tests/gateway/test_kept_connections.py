"""Kept connections to upstreams end before the upstream ends them, and not too late."""

import asyncio
import time
import uuid
from collections.abc import Iterator

import pytest

from proxy.gateway.pool import AGE_SPREAD, FOREIGN_IDLE, MAX_AGE, Endpoint, Pool
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import OK, says, sockets_to
from tests.gateway.wire import Cut, Wire, tcp_server, within

pytestmark = pytest.mark.slow

EMPTY = b"Content-Length: 0\r\n\r\n"
SWEEP = 0.25


CASES = [  # what the upstream says, and for how long the connection is kept at least and at most
    (b"", FOREIGN_IDLE, FOREIGN_IDLE + 2 * SWEEP),
    (b"Connection: keep-alive\r\n", FOREIGN_IDLE, FOREIGN_IDLE + 2 * SWEEP),
    (b"Connection: keep-alive\r\nKeep-Alive: timeout=2, max=100\r\n", 1, 1 + 2 * SWEEP),
    (b'Keep-Alive: max=9;timeout="3"\r\nConnection: Keep-Alive\r\n', 2, 2 + 2 * SWEEP),
    (b"Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n", 0, 2 * SWEEP),
    (b"Connection: close\r\nKeep-Alive: timeout=9\r\n", 0, 2 * SWEEP),
]
LONG = b"Connection: keep-alive\r\nKeep-Alive: timeout=60\r\n"
SAID = [*(case[0] for case in CASES), LONG]


class Keeper:
    """An upstream that says for how long it keeps a connection; ``ended``: when the other end
    closed one."""

    def __init__(self, said: bytes) -> None:
        self.server = tcp_server()
        self.answer = OK + said + EMPTY
        self.ended = 0.0
        self.server.on("/kept", self.wait if said != LONG else says(self.answer))

    def wait(self, wire: Wire, _head: bytes) -> None:
        wire.send(self.answer)
        if wire.is_closed_within(FOREIGN_IDLE + 2):
            self.ended = time.monotonic()
        raise Cut("seen")


@pytest.fixture
def keepers(database: Database) -> Iterator[dict[str, Keeper]]:
    """By their slugs; the last of them keeps a connection for long."""
    tag = uuid.uuid4().hex[:6]
    made = {f"kept{number}-{tag}": Keeper(said) for number, said in enumerate(SAID)}
    with database.rows():
        for slug, keeper in made.items():
            make.upstream(slug, f"http://127.0.0.1:{keeper.server.port}")
    yield made
    for keeper in made.values():
        keeper.server.stop()


def test_a_connection_waits_a_second_less_than_the_upstream_does(
    start: Start, database: Database, keepers: dict[str, Keeper]
) -> None:
    """All cases at once."""
    key = database.key_for(f"kept-{uuid.uuid4().hex[:6]}", " ".join(keepers))
    gateway = start().wait_until_ready()
    (pid,) = gateway.children()
    began = {}
    for slug in keepers:
        assert gateway.get(f"/proxy/{slug}/kept", key).status == 200
        began[slug] = time.monotonic()
    *short, long = keepers

    assert within(FOREIGN_IDLE + 2, lambda: all(keepers[slug].ended for slug in short))
    time.sleep(max(0, began[long] + FOREIGN_IDLE + 2 * SWEEP - time.monotonic()))
    assert gateway.get(f"/proxy/{long}/kept", key).status == 200

    assert keepers[long].server.accepted == 1
    for slug, (said, at_least, at_most) in zip(short, CASES, strict=True):
        assert at_least - 0.05 <= keepers[slug].ended - began[slug] <= at_most + 0.2, said
        assert sockets_to(pid, keepers[slug].server.port) == 0


def test_a_connection_that_is_old_is_not_kept() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        place = server.sockets[0].getsockname()
        pool = Pool(loop, Endpoint(host=place[0], port=place[1]), FOREIGN_IDLE)
        sides = [await pool.acquire(1) for _ in range(20)]
        ends = {side.retires_at - loop.time() for side in sides}
        pool.release(sides[0])
        sides[1].retires_at = loop.time()
        pool.release(sides[1])

        assert min(ends) > MAX_AGE * (1 - AGE_SPREAD) - 1
        assert max(ends) <= MAX_AGE
        assert max(ends) - min(ends) > 1
        assert (sides[0].is_open(), sides[1].is_open()) == (True, False)
        sides[0].retires_at = loop.time()
        pool.sweep(loop.time())
        assert not sides[0].is_open()
        for side in sides:
            side.abort()
        await asyncio.sleep(0.02)
        assert pool.open == 0
        server.close()

    asyncio.run(work())
