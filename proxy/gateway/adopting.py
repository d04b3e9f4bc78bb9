"""Writes the rows of calls that were open when a process was killed: each process looks whether
another left its file behind (callfile.py), takes it, and writes what stands in it, once."""

import asyncio
from datetime import UTC
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Final

from apikeys.requestlog.row import COLUMNS, TABLE, LogRow
from momentry.common.ids import uuid7
from proxy.gateway.callfile import ENDING, HIDDEN, CallFile, Foreign, take
from proxy.gateway.core import logger
from proxy.gateway.loglink import FAILURES, Connection, LogLink
from proxy.gateway.logwriter import CLAIM_SQL, PARTITION_SQL, POISON

if TYPE_CHECKING:
    from proxy.gateway.core import Core

LOOK_SECONDS: Final = 3.0
BATCH: Final = 100
AT_ONCE: Final = 50  # rows that are read in one turn of the loop
UNFINISHED_SECONDS: Final = 60.0  # after which a file without its name is nobody's
# What a row's own process wrote is true: it ended after it was noted.
INSERT_SQL: Final = (
    f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) "  # noqa: S608  only our own names
    f"VALUES ({', '.join(['%s'] * len(COLUMNS))}) ON CONFLICT DO NOTHING"
)


class Adopting:
    """Of one process, in its directory."""

    __slots__ = ("core", "directory", "foreign", "link", "troubled")

    def __init__(self, core: "Core") -> None:
        self.core = core
        self.directory = core.calls.directory
        self.link = LogLink(core.settings.database_url, uuid7().hex)
        self.foreign: set[Path] = set()  # said to be
        self.troubled = False

    async def run(self) -> None:
        """Until it is cancelled."""
        while self.directory is not None:
            try:
                await self.look(self.directory)
            except FAILURES as error:
                self.tell(error)
                await self.link.abandon()
            except Exception as error:  # noqa: BLE001 - a defect must not end the looking
                self.core.report("what a killed process left cannot be written", error)
                await self.link.abandon()
            await asyncio.sleep(LOOK_SECONDS)

    def tell(self, error: BaseException) -> None:
        if not self.troubled:
            self.troubled = True
            reason = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
            logger.warning("what a killed process left cannot be written now: %s", reason)

    async def look(self, directory: Path) -> None:
        """Raises FAILURES. A file that cannot be read keeps none of the others."""
        for path in left_in(directory):
            try:
                await self.adopt(path)
            except FileNotFoundError:  # another was quicker
                continue
            except OSError as error:
                self.tell(error)
        await self.link.disconnect()

    async def adopt(self, path: Path) -> None:
        file = None if is_young(path) else take(path)
        if file is None:
            return
        try:
            if path.suffix == ENDING and not file.is_empty():
                await self.write(file, file.name())
            file.remove()
        except Foreign:
            if path not in self.foreign:
                self.foreign.add(path)
                logger.warning("another version left open calls: %s stays", path.name)
        finally:
            file.close()

    async def write(self, file: CallFile, name: str) -> None:
        """Each batch under its number, so that it counts once whoever tries it again."""
        rows: list[LogRow] = []
        for number, row in enumerate(file.rows()):
            if row is not None:
                rows.append(row)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        for seq, begin in enumerate(range(0, len(rows), BATCH), start=1):
            with self.link.limited():
                await self.write_batch(name, seq, rows[begin : begin + BATCH])
        for row in rows:
            if row.key_id is not None:
                self.core.log.used(row.key_id, row.ts)
        if rows:
            logger.warning("%d calls were open when a process was killed", len(rows))

    async def write_batch(self, name: str, seq: int, rows: list[LogRow]) -> None:
        connection = await self.link.connect()
        for day in {row.ts.astimezone(UTC).date() for row in rows}:
            await connection.execute(PARTITION_SQL, (day,))
        try:
            async with connection.transaction():
                if await self.claim(connection, name, seq, rows):
                    async with connection.cursor() as cursor:
                        await cursor.executemany(INSERT_SQL, rows)
        except POISON:
            await self.write_singly(connection, name, seq, rows)

    async def claim(self, connection: Connection, name: str, seq: int, rows: list[LogRow]) -> bool:
        """False: it is in."""
        return bool((await connection.execute(CLAIM_SQL, (name, seq, len(rows)))).rowcount)

    async def write_singly(
        self, connection: Connection, name: str, seq: int, rows: list[LogRow]
    ) -> None:
        """One bad row must not cost the others."""
        async with connection.transaction():
            if not await self.claim(connection, name, seq, rows):
                return
            for row in rows:
                try:
                    async with connection.transaction():
                        await connection.execute(INSERT_SQL, row)
                except POISON as error:
                    logger.error("a request log row was refused: %s", error.sqlstate)


def is_young(path: Path) -> bool:
    """Its process may be about to hold it."""
    return path.suffix != ENDING and path.stat().st_mtime > time() - UNFINISHED_SECONDS


def left_in(directory: Path) -> list[Path]:
    """Of processes that live or not; also what one left that was killed as it began."""
    return sorted(
        path
        for path in directory.iterdir()
        if path.suffix == ENDING or path.name.startswith(HIDDEN)
    )
