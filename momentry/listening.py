"""The relay's ears: a connection of its own that hears who calls a round (momentry.common.wake).

It is made anew when it is lost, and then every round is called: nobody knows what was missed.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from momentry.common import limited
from momentry.common.wake import CHANNEL

logger = logging.getLogger(__name__)

Call = Callable[[str], object]

RETRY_SECONDS: Final = 1.0
SAY_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 3.0  # less than what limited.LIMIT_SECONDS takes for a standstill
NAME: Final = "momentry-relay"  # as pg_stat_activity shows it


async def listen(conninfo: str, call: Call) -> None:
    """Until it is cancelled. Rounds look by themselves too: without it they are only later."""
    say_at = 0.0
    while True:
        try:
            await follow(conninfo, call)
        except Exception as error:  # noqa: BLE001  the outermost loop
            if monotonic() >= say_at:
                logger.warning("calls are not heard", extra={"error": type(error).__name__})
                say_at = monotonic() + SAY_SECONDS
        await asyncio.sleep(RETRY_SECONDS)


async def follow(conninfo: str, call: Call) -> None:
    """Raises psycopg.Error, OSError."""
    connection = await limited.connect(conninfo, f"{limited.OPTIONS} -c application_name={NAME}")
    try:
        await connection.execute(f"LISTEN {CHANNEL}")
        call("")
        while True:
            async for heard in connection.notifies(timeout=LOOK_SECONDS):
                call(heard.payload)
            await connection.execute("SELECT 1")  # else a dead connection is silent for ever
    finally:
        await connection.close()
