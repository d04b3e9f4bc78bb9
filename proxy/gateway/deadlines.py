"""One sweep over everything that lives instead of a timer for each phase of each connection."""

import asyncio
from typing import TYPE_CHECKING, Final

from proxy.gateway.room import make_room

if TYPE_CHECKING:
    from proxy.gateway.core import Core

SWEEP_SECONDS: Final = 0.25


async def sweep_forever(core: "Core") -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            sweep(core)
        except Exception as error:  # noqa: BLE001 - without sweeps nothing would ever time out
            core.report("a sweep failed", error)


def sweep(core: "Core") -> None:
    now = core.loop.time()
    for client in tuple(core.clients):
        try:
            client.check(now)
        except Exception as error:  # noqa: BLE001 - one connection must not stop the sweep
            core.report("a deadline failed", error)
            client.abort()
    core.calls.look(core.clients)
    make_room(core, now)
    core.load.measure(core.clients)
    core.sweep(now)
