"""How one child begins to accept, and how it ends: at a stop, or when others took over."""

import asyncio
import contextlib
import ctypes
import signal
import socket
import struct
import sys
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any, Final, cast

from proxy.gateway.client_side import ClientSide
from proxy.gateway.core import Core
from proxy.gateway.deadlines import sweep
from proxy.gateway.waking import HELD, RETIRE, STOPS

BACKLOG: Final = 4096
CUT_SECONDS: Final = 0.3
PROBE_SECONDS: Final = 0.1
STOP_IDLE_SECONDS: Final = 1.0  # on a connection just used a request may be under way
RETIRE_IDLE_SECONDS: Final = 5.0  # nobody waits for our end: most say in an answer that they end
HANDSHAKE_SECONDS: Final = 0.2  # for the last part of one that began
SO_ATTACH_FILTER: Final = 26  # Linux; Python has no name for it
# Classic BPF over the TCP header (struct sock_filter): the flags, ACK and SYN of them; 0 drops.
BEGINS_NONE: Final = (
    (0x30, 0, 0, 13),
    (0x54, 0, 0, 0x12),
    (0x15, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


class Ending:
    """``retired``: others accept from our sockets, and what waits there is theirs."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.asked = asyncio.Event()
        self.retired = False
        for number in STOPS:
            core.loop.add_signal_handler(number, self.stop)
        core.loop.add_signal_handler(RETIRE, self.retire)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)

    def stop(self) -> None:
        self.core.patience = STOP_IDLE_SECONDS
        self.core.ending = True
        self.asked.set()

    def retire(self) -> None:
        if not self.asked.is_set():
            self.core.patience = RETIRE_IDLE_SECONDS
            self.retired = True
            self.asked.set()

    async def unless(self, work: Coroutine[Any, Any, None]) -> None:
        """Until ``work`` is done, or we are asked to end."""
        tasks = {asyncio.ensure_future(work), asyncio.ensure_future(self.asked.wait())}
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        for task in done:
            task.result()


async def until_ready(core: Core, say: Callable[[str], None]) -> None:
    """Ready as /readyz means it."""
    told = ""
    while (why := " ".join(await core.readiness.reason()).strip()) != "":
        if why != told:
            told = why
            say(why)
        await asyncio.sleep(PROBE_SECONDS)


async def listen(core: Core, listeners: Iterable[socket.socket]) -> list[asyncio.Server]:
    """From now on we accept."""
    protocols = protocols_of(core)
    return [
        await core.loop.create_server(protocols, sock=listener, backlog=BACKLOG)
        for listener in listeners
    ]


def protocols_of(core: Core) -> Callable[[], asyncio.Protocol]:
    """They have all its methods and are none by type: what inherits from Python is not compiled."""
    return lambda: cast("asyncio.Protocol", ClientSide(core))


async def drain(
    core: Core, servers: Iterable[asyncio.Server], waiting: Collection[socket.socket]
) -> None:
    """No new connections but those ``waiting`` in sockets that nobody else accepts from; what runs
    may end within DRAIN_SECONDS, then it is cut visibly."""
    if waiting:
        await accept_last(core, waiting)
    for server in servers:
        server.close()  # our descriptor alone: the socket itself may be another process's too
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


def begin_none(listener: socket.socket) -> None:
    """To close a socket resets whom the kernel connected a moment ago. So no handshake begins any
    more: who asked in vain asks again in a second, and is refused before anything was promised.
    Where the kernel has no such filter, the moment stays."""
    program = b"".join(struct.pack("HBBI", *step) for step in BEGINS_NONE)
    kept = ctypes.create_string_buffer(program, len(program))
    told = struct.pack("HP", len(BEGINS_NONE), ctypes.addressof(kept))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, told)


async def accept_last(core: Core, waiting: Collection[socket.socket]) -> None:
    for listener in waiting:
        begin_none(listener)
    await asyncio.sleep(HANDSHAKE_SECONDS)
    for listener in waiting:
        await accept_waiting(core, listener)


async def accept_waiting(core: Core, listener: socket.socket) -> None:
    """Whom the kernel has already told that they are connected."""
    with contextlib.suppress(OSError):
        while True:
            accepted, _ = listener.accept()
            await core.loop.connect_accepted_socket(protocols_of(core), accepted)
