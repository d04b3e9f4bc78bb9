"""What of a process is no event of a request: looked at each second, for /metrics."""

import asyncio
from typing import TYPE_CHECKING, Final

from proxy.gateway.metrics import (
    FENCE_FRESH,
    FENCE_STALE,
    FENCE_WAITS,
    LEASE_ORDERS,
    LEASES,
    PROCESSES,
    VALKEY_AWAY,
)

if TYPE_CHECKING:
    from proxy.gateway.core import Core

LOOK_SECONDS: Final = 1.0


class Gauges:
    """``counted``: what of the counters is in the file already; a place outlives its process."""

    __slots__ = ("core", "counted")

    def __init__(self, core: "Core") -> None:
        self.core = core
        self.counted = (0, 0, 0)

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        counts, fence, door = self.core.metrics.counts, self.core.fence, self.core.door
        purses = door.keeper.purses
        counts[PROCESSES] = 1
        counts[LEASES] = len(purses.purses)
        counts[FENCE_FRESH] = int(fence.is_fresh())
        counts[VALKEY_AWAY] = int(door.entrance.valkey.is_away())
        now = (purses.seq, fence.waits, fence.waits_in_vain)
        for index, new, old in zip(
            (LEASE_ORDERS, FENCE_WAITS, FENCE_STALE), now, self.counted, strict=True
        ):
            counts[index] += new - old
        self.counted = now
