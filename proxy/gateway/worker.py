"""One child of the gateway: a uvloop loop, its connections and its background work."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import psycopg
import psycopg_pool
import uvloop

from apikeys.gate import decision, sealed
from apikeys.gate.door import AsyncDoor
from apikeys.gate.entrance import Entrance
from apikeys.gate.guard import Guard
from apikeys.gate.judge import Policy
from apikeys.gate.memory import KeyMemory
from apikeys.gate.replies import UNAVAILABLE
from apikeys.gate.valkey import Valkey
from apikeys.ledger.keeper import Keeper
from apikeys.ledger.purses import Purses
from momentry.common.crypto.keyring import KeyRing
from momentry.common.limited import CONNECT_SECONDS, OPTIONS, LimitedConnection
from momentry.common.processors import take_short_slices
from proxy.gateway.adopting import Adopting
from proxy.gateway.core import Core, logger
from proxy.gateway.deadlines import sweep_forever
from proxy.gateway.draining import CUT_SECONDS, Ending, drain, listen, until_ready
from proxy.gateway.fallback import fall_back
from proxy.gateway.fence import Fence
from proxy.gateway.following import follow_changes
from proxy.gateway.gauges import Gauges
from proxy.gateway.keyids import keep_ids
from proxy.gateway.logwriter import LogWriter
from proxy.gateway.metrics import ROWS_DROPPED, Metrics
from proxy.gateway.opencalls import OpenCalls
from proxy.gateway.passages import Passages
from proxy.gateway.readiness import Probe
from proxy.gateway.rereading import refresh, reread
from proxy.gateway.settings import Settings
from proxy.gateway.slowness import Slowness
from proxy.gateway.watching import Watch

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = psycopg_pool.AsyncConnectionPool[Connection]

POLL_SECONDS: Final = 0.4
FIRST_READ_SECONDS: Final = 1.0  # the kernel keeps connections so long; then we serve without
RECONNECT_SECONDS: Final = 2.0  # the pool's own back-off would grow to minutes
THREADS: Final = "16"  # libuv's; half may look up names: a few that hang hold up no others
YOUNG: Final = 20_000  # objects until the collector looks: requests leave no cycles, rows live on
# With the time to cut twice below the five seconds that `up` waits past DRAIN_SECONDS.
TASKS_SECONDS: Final = 0.5
FLUSH_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Secrets:
    ring: KeyRing = field(repr=False)
    policy: Policy = field(repr=False)


@dataclass(frozen=True, slots=True)
class Child:
    """All one child is given by its parent."""

    settings: Settings
    secrets: Secrets
    listeners: tuple[socket.socket, ...]
    metrics: Metrics
    waits: bool  # it accepts nothing before it is ready
    say: Callable[[str], None]  # tells the parent why it is not ready, and "" once it accepts


def run(child: Child) -> None:
    """Serves until SIGTERM or SIGINT, drains, flushes the log, returns.

    The loop is left as it is and the process ends: to close it would be to wait for statements
    that a database which stands still never answers.
    """
    gc.set_threshold(YOUNG)
    os.environ.setdefault("UV_THREADPOOL_SIZE", THREADS)
    take_short_slices()
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(serve(child))


def make_pool(settings: Settings) -> Pool:
    return psycopg_pool.AsyncConnectionPool(
        settings.database_url,
        min_size=1,
        max_size=settings.db_max_connections,
        timeout=settings.db_acquire_timeout,
        reconnect_timeout=RECONNECT_SECONDS,
        connection_class=LimitedConnection,
        kwargs={"autocommit": True, "options": OPTIONS, "connect_timeout": CONNECT_SECONDS},
        open=False,
    )


async def serve(child: Child) -> None:
    loop = asyncio.get_running_loop()
    pool = make_pool(child.settings)
    core = make_core(child, loop, pool)
    ending = Ending(core)
    await pool.open()
    with contextlib.suppress(TimeoutError, *UNAVAILABLE):
        await asyncio.wait_for(refresh(core, pool, child.secrets.ring), FIRST_READ_SECONDS)
    fall_back(core, child.secrets.ring)
    following = loop.create_task(core.fence.run(core.report))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(core.fence.renewed.wait(), FIRST_READ_SECONDS)
    log = loop.create_task(core.log.run())
    ledger = loop.create_task(core.door.keeper.run(core.report))
    background = [
        loop.create_task(sweep_forever(core)),
        loop.create_task(core.door.entrance.renew_forever()),
        loop.create_task(watch_tables(core, pool, child.secrets.ring)),
        loop.create_task(keep_ids(core, pool)),
        loop.create_task(Watch(core, pool).run()),
        loop.create_task(Adopting(core).run()),
        loop.create_task(Gauges(core).run()),
    ]
    if child.waits:
        await ending.unless(until_ready(core, child.say))
    if not ending.asked.is_set():
        servers = await listen(core, child.listeners)
        child.say("")
        await ending.asked.wait()
        await drain(core, servers, () if ending.retired else child.listeners)
    for task in background:
        task.cancel()
    await finish(core, log, ledger, pool)
    following.cancel()
    await asyncio.wait({following}, timeout=CUT_SECONDS)


def make_core(child: Child, loop: asyncio.AbstractEventLoop, pool: Pool) -> Core:
    key = child.secrets.ring.derive(decision.PURPOSE)
    core = Core(loop, child.settings, child.metrics, key)
    core.hold_key = child.secrets.ring.derive(sealed.PURPOSE)
    core.log = LogWriter(child.settings.database_url, child.metrics)
    core.calls = OpenCalls()
    core.calls.open(child.settings.open_calls)
    core.log.written = core.calls.written
    core.slowness = Slowness(child.settings.slow_request_ms)
    policy, settings = child.secrets.policy, child.settings
    valkey = Valkey(settings.redis_url)
    watch = Guard(valkey, settings.lockout, policy.peppers.signing)
    entrance = Entrance(valkey, settings.workers, core.metrics.count_alone, settings.fence_lease)
    follow = partial(follow_changes, core, partial(reread, core, pool, child.secrets.ring))
    core.fence = Fence(settings.direct_url, settings.fence_lease, follow)
    memory = KeyMemory(settings.cache_capacity, settings.cache_ttl)
    keeper = Keeper(settings.direct_url, Purses(core.fence.process, policy.zone))
    core.fence.recall = keeper.recall
    core.door = AsyncDoor(pool, policy, watch, entrance, core.fence, memory, keeper)
    core.door.prover.alarm.count = core.metrics.count_damaged
    core.readiness = Probe(pool, core)
    core.passages = Passages()
    return core


async def watch_tables(core: Core, pool: Pool, ring: KeyRing) -> None:
    """Upstreams and IP rules follow the database within half a second; what was read last holds
    meanwhile."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        try:
            await refresh(core, pool, ring)
            await core.door.prover.follow_slow(core.fence.applied)
        except psycopg_pool.PoolTimeout:
            continue
        except UNAVAILABLE:
            await pool.drain()  # one connection failed: all may be dead, or prepared for old tables
        except Exception as error:  # noqa: BLE001 - a defect must not freeze the table for ever
            core.report("the upstreams or IP rules cannot be read", error)


async def finish(
    core: Core, log: "asyncio.Task[None]", ledger: "asyncio.Task[None]", pool: Pool
) -> None:
    """Log rows are written and leases given back, as far as the database takes them; before the
    fence is left, for who is gone there has nothing on lease any more."""
    await asyncio.sleep(0)  # connection_lost of what was just cut
    if core.tasks:
        await asyncio.wait(core.tasks, timeout=TASKS_SECONDS)
    core.close_pools()
    core.pace.close()
    await core.door.entrance.close()
    core.log.close()
    core.door.keeper.close()
    closing = core.loop.create_task(pool.close(timeout=1))
    await asyncio.wait({log, ledger, closing}, timeout=FLUSH_SECONDS)
    core.calls.close()
    if (lost := core.log.waiting() - len(core.calls.ended)) > 0:
        core.metrics.counts[ROWS_DROPPED] += lost
        logger.error("%d request log rows were lost: the database did not take them", lost)


def leave(code: int) -> None:
    """End a forked child at once: nothing of the parent's may run twice."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
