"""How long Valkey may take, how long it is left alone when it did not answer, and who is told.

No I/O but a log line; apikeys.gate.valkey and apikeys.services.valkey ask.
"""

import logging
from typing import Final

logger: Final = logging.getLogger("momentry.valkey")

TIMEOUT_SECONDS: Final = 0.1  # a stall shorter than this must not split the count by process
AWAY_SECONDS: Final = 1.0  # how long Valkey is left alone after it did not answer


class Outage:
    """Says once that Valkey went away and once that it is back."""

    __slots__ = ("lasts",)

    def __init__(self) -> None:
        self.lasts = False

    def began(self, error: Exception) -> None:
        if not self.lasts:
            self.lasts = True
            name = type(error).__name__
            logger.warning(
                "Valkey does not answer (%s): wrong keys and burst limits are counted per process",
                name,
            )

    def ended(self) -> None:
        if self.lasts:
            self.lasts = False
            logger.warning("Valkey answers again: wrong keys and burst limits are counted together")
