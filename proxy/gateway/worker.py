"""One child of the gateway: a uvloop loop, its connections and its background work."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import psycopg_pool
import uvloop

from apikeys.gate import decision, guard
from apikeys.gate.addresses import RULES_SQL, RULES_VERSION_SQL
from apikeys.gate.door import UNAVAILABLE, AsyncDoor
from apikeys.gate.judge import Policy
from momentry.common.crypto.keyring import KeyRing
from proxy.gateway.client_side import ClientSide
from proxy.gateway.core import Core, logger
from proxy.gateway.deadlines import sweep, sweep_forever
from proxy.gateway.logwriter import LogWriter
from proxy.gateway.metrics import Metrics
from proxy.gateway.readiness import Probe
from proxy.gateway.settings import Settings
from proxy.gateway.upstreams import ROWS_SQL, VERSION_SQL

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = psycopg_pool.AsyncConnectionPool[Connection]

POLL_SECONDS: Final = 0.4
FIRST_READ_SECONDS: Final = 1.0  # the kernel keeps connections so long; then we serve without
STATEMENT_TIMEOUT: Final = "-c statement_timeout=5000"
RECONNECT_SECONDS: Final = 2.0  # the pool's own back-off would grow to minutes
BACKLOG: Final = 4096
FLUSH_SECONDS: Final = 4.0
CUT_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Secrets:
    ring: KeyRing = field(repr=False)
    policy: Policy = field(repr=False)


@dataclass(frozen=True, slots=True)
class Child:
    """All one child is given by its parent."""

    settings: Settings
    secrets: Secrets
    listener: socket.socket
    metrics: Metrics


def run(child: Child) -> None:
    """Serves until SIGTERM or SIGINT, drains, flushes the log, returns."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(child))


def make_pool(settings: Settings) -> Pool:
    return psycopg_pool.AsyncConnectionPool(
        settings.database_url,
        min_size=1,
        max_size=settings.db_max_connections,
        timeout=settings.db_acquire_timeout,
        reconnect_timeout=RECONNECT_SECONDS,
        kwargs={"autocommit": True, "options": STATEMENT_TIMEOUT, "connect_timeout": 3},
        open=False,
    )


async def serve(child: Child) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pool = make_pool(child.settings)
    core = make_core(child, loop, pool)
    await pool.open()
    with contextlib.suppress(TimeoutError, *UNAVAILABLE):
        await asyncio.wait_for(refresh(core, pool, child.secrets.ring), FIRST_READ_SECONDS)
    server = await loop.create_server(
        lambda: ClientSide(core), sock=child.listener, backlog=BACKLOG
    )
    log = loop.create_task(core.log.run())
    background = [
        loop.create_task(sweep_forever(core)),
        loop.create_task(watch_tables(core, pool, child.secrets.ring)),
    ]
    await stop.wait()
    await drain(core, server, child.listener)
    for task in background:
        task.cancel()
    await finish(core, log, pool)


def make_core(child: Child, loop: asyncio.AbstractEventLoop, pool: Pool) -> Core:
    key = child.secrets.ring.derive(decision.PURPOSE)
    core = Core(loop, child.settings, child.metrics, key)
    core.log = LogWriter(child.settings.database_url, child.metrics)
    policy, settings = child.secrets.policy, child.settings
    valkey = guard.connect(settings.redis_url)
    watch = guard.Guard(valkey, settings.lockout, policy.peppers.signing)
    core.door = AsyncDoor(pool, policy, watch)
    core.readiness = Probe(pool, core)
    return core


async def watch_tables(core: Core, pool: Pool, ring: KeyRing) -> None:
    """Upstreams and IP rules follow the database within half a second; what was read last holds
    meanwhile."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        try:
            await refresh(core, pool, ring)
        except UNAVAILABLE:
            with contextlib.suppress(*UNAVAILABLE):
                await pool.check()  # after a restart of the database every connection is dead
        except Exception as error:  # noqa: BLE001 - a defect must not freeze the table for ever
            core.report("the upstreams or IP rules cannot be read", error)


async def refresh(core: Core, pool: Pool, ring: KeyRing) -> None:
    async with pool.connection() as connection:
        await refresh_rules(core, connection)
        await refresh_upstreams(core, connection, ring)


async def refresh_rules(core: Core, connection: Connection) -> None:
    rules = core.door.rules
    cursor = await connection.execute(RULES_VERSION_SQL)
    found = await cursor.fetchone()
    version = found[0] if found else ""
    if version != rules.version:
        cursor = await connection.execute(RULES_SQL)
        for fault in rules.replace([(row[0], row[1]) for row in await cursor.fetchall()], version):
            logger.error(fault)


async def refresh_upstreams(core: Core, connection: Connection, ring: KeyRing) -> None:
    cursor = await connection.execute(VERSION_SQL)
    found = await cursor.fetchone()
    version = found[0] if found else ""
    if version != core.table.version:
        cursor = await connection.execute(ROWS_SQL)
        for fault in core.table.replace(await cursor.fetchall(), ring, version):
            logger.error(fault)


async def drain(core: Core, server: asyncio.Server, listener: socket.socket) -> None:
    """No new connections; what runs may end within DRAIN_SECONDS, then it is cut visibly."""
    await accept_waiting(core, listener)
    server.close()
    core.draining = True
    sweep(core)
    end = core.loop.time() + core.settings.drain_seconds
    while core.clients and core.loop.time() < end:  # noqa: ASYNC110 - a set tells nobody
        await asyncio.sleep(0.02)
    for client in tuple(core.clients):
        if client.exchange is not None:
            client.exchange.fail("overloaded", "The service is being restarted.")
    if core.clients:
        await asyncio.sleep(CUT_SECONDS)
    for client in tuple(core.clients):
        client.abort()
    await asyncio.sleep(0)


async def accept_waiting(core: Core, listener: socket.socket) -> None:
    """Whom the kernel has already told that they are connected."""
    with contextlib.suppress(OSError):
        while True:
            accepted, _ = listener.accept()
            await core.loop.connect_accepted_socket(lambda: ClientSide(core), accepted)


async def finish(core: Core, log: "asyncio.Task[None]", pool: Pool) -> None:
    await asyncio.sleep(0)  # connection_lost of what was just cut
    if core.tasks:
        await asyncio.wait(core.tasks, timeout=1)
    core.close_pools()
    await core.door.guard.close()
    core.log.close()
    await asyncio.wait({log}, timeout=FLUSH_SECONDS)
    if lost := core.log.waiting():
        logger.error("%d request log rows were lost: the database did not take them", lost)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(pool.close(timeout=1), 2)


def leave(code: int) -> None:
    """End a forked child at once: nothing of the parent's may run twice."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
