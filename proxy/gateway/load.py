"""When this process takes no more requests: the bytes that wait in its connections are bounded."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.gateway.connection import Connection

MIB: Final = 1 << 20
EASED: Final = 0.75  # of the bytes: not before does it take more again


class Load:
    """``is_heavy``: new requests are refused until clients and upstreams have taken what waits."""

    __slots__ = ("is_heavy", "max_bytes")

    def __init__(self, max_mib: int) -> None:
        self.max_bytes = max_mib * MIB
        self.is_heavy = False

    def measure(self, clients: Iterable["Connection"]) -> None:
        """Called by the sweeper, four times a second."""
        waiting = sum(client.waiting_bytes() for client in clients)
        bound = self.max_bytes * EASED if self.is_heavy else self.max_bytes
        self.is_heavy = waiting > bound
