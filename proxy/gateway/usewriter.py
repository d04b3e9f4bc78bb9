"""Writes when keys were last used, on the request log's connection and beside its rows.

Should that fail, the log knows nothing of it.
"""

from datetime import datetime
from time import monotonic
from typing import Final
from uuid import UUID

from apikeys.requestlog.lastuse import WRITE_SQL, LastUses
from proxy.gateway.core import logger
from proxy.gateway.loglink import LogLink

USES_SECONDS: Final = 2.0
LOCK_TIMEOUT_SQL: Final = "SET lock_timeout = '200ms'"
NO_LOCK_TIMEOUT_SQL: Final = "RESET lock_timeout"


class UseWriter:
    __slots__ = ("due", "link", "troubled", "uses")

    def __init__(self, link: LogLink) -> None:
        self.link = link
        self.uses = LastUses()
        self.due = 0.0
        self.troubled = False

    async def write_due(self) -> None:
        now = monotonic()
        if now >= self.due:
            self.due = now + USES_SECONDS
            await self.write(self.uses.due(now))

    async def write_all(self) -> None:
        await self.write(self.uses.every())

    async def write(self, uses: dict[UUID, datetime]) -> None:
        """Without waiting for anybody's lock. What is not written now is tried again.

        No transaction spans the statements: one that a stopped process left open would hold the
        keys' rows, and a revocation would wait for it.
        """
        if not uses:
            return
        try:
            with self.link.limited():
                written = await self.send(uses)
        except Exception as error:  # noqa: BLE001 - whatever it is, the log goes on
            if not self.troubled:
                logger.warning("last uses cannot be written now: %s", type(error).__name__)
            self.troubled = True
        else:
            self.troubled = False
            self.uses.settle(uses, written, monotonic())

    async def send(self, uses: dict[UUID, datetime]) -> set[UUID]:
        connection = await self.link.connect()
        await connection.execute(LOCK_TIMEOUT_SQL)
        try:
            cursor = await connection.execute(WRITE_SQL, (list(uses), list(uses.values())))
        finally:
            await connection.execute(NO_LOCK_TIMEOUT_SQL)
        return {row[0] for row in await cursor.fetchall()}
