"""The alarm over stored digests that nobody can read: once per key and process in the log."""

import logging
import threading
from collections.abc import Callable
from typing import Final
from uuid import UUID

from apikeys.gate.lockout import Recent

logger: Final = logging.getLogger("momentry.keys")


def uncounted() -> None:
    """Where nobody counts."""


class Alarm:
    """``count`` is called each time."""

    def __init__(self, count: Callable[[], None] = uncounted) -> None:
        self.count = count
        self.told: Recent[bool] = Recent()
        self.lock = threading.Lock()

    def ring(self, key_id: UUID) -> None:
        self.count()
        with self.lock:
            is_news = key_id.hex not in self.told
            self.told.put(key_id.hex, True)
        if is_news:
            logger.error(
                "key %s: a stored digest is damaged, or under a pepper that API_KEY_PEPPERS does"
                " not name; no secret can prove it",
                key_id,
            )
