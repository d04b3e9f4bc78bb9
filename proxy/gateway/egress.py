"""The guard in front of every new connection to an upstream: which of its addresses are dialled."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from momentry.common.egress.allowed import Allowed
from momentry.common.egress.rules import Kind

logger: Final = logging.getLogger("momentry.egress")
SILENCE: Final = 60.0  # seconds: a client calls a refused upstream as often as it likes
MAX_REMEMBERED: Final = 1000


class ForbiddenAddressError(OSError):
    """No address of the host may be dialled."""


class Egress:
    """``said``: until when the refusal of an address of a host is not said again."""

    __slots__ = ("allowed", "clock", "said")

    def __init__(self, allowed: Allowed, clock: Callable[[], float]) -> None:
        self.allowed = allowed
        self.clock = clock
        self.said: dict[tuple[str, str], float] = {}

    def permitted(self, host: str, addresses: Sequence[str]) -> list[str]:
        """Those that may be dialled, at least one. Raises ForbiddenAddressError."""
        left: list[str] = []
        for address in addresses:
            if why := self.allowed.refusal(host, address, Kind.SERVICE):
                self.say(host, address, why)
            else:
                left.append(address)
        if not left:
            raise ForbiddenAddressError("No address of the host may be dialled.")
        return left

    def say(self, host: str, address: str, why: str) -> None:
        now = self.clock()
        if now < self.said.get((host, address), now):
            return
        if len(self.said) >= MAX_REMEMBERED:
            self.said.clear()
        self.said[host, address] = now + SILENCE
        event = "an upstream's address is not dialled (EGRESS_ALLOW)"
        logger.warning({"event": event, "host": host, "address": address, "reason": why})
