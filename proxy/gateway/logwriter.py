"""Writes request log rows by COPY, in batches, beside the requests; never doubles, rarely loses.

Rows wait in a bounded ring: when the database is away for long the oldest go first, counted. Each
COPY's transaction also inserts (process, seq), so a batch whose COMMIT was answered to nobody is
recognised when it is tried again.
"""

import asyncio
import contextlib
from collections import deque
from datetime import UTC, date
from typing import Any, Final, NamedTuple

import psycopg

from apikeys.requestlog.row import COLUMNS, TABLE, LogRow
from momentry.common.ids import uuid7
from proxy.gateway.core import logger
from proxy.gateway.metrics import ROWS_DROPPED, ROWS_WAITING, ROWS_WRITTEN, Metrics

CAPACITY: Final = 50_000  # about 50 MB of rows
BATCH: Final = 500
MAX_BATCH: Final = 5_000
INTERVAL: Final = 0.25
RETRY_SECONDS: Final = 0.5
CONNECT_SECONDS: Final = 3

CLAIM_SQL: Final = """
INSERT INTO apikeys_logbatch (process, seq, rows, created_at) VALUES (%s, %s, %s, now())
ON CONFLICT (process, seq) DO NOTHING
"""
COPY_SQL: Final = f"COPY {TABLE} ({', '.join(COLUMNS)}) FROM STDIN"
PARTITION_SQL: Final = "SELECT momentry_request_log_partition(%s)"

# The rows themselves are at fault: no later attempt will do better.
POISON: Final = (psycopg.DataError, psycopg.IntegrityError)


class Batch(NamedTuple):
    seq: int
    rows: list[LogRow]

    def days(self) -> set[date]:
        return {row.ts.astimezone(UTC).date() for row in self.rows}


class LogWriter:
    __slots__ = (
        "capacity",
        "connection",
        "conninfo",
        "metrics",
        "pending",
        "process",
        "rows",
        "seq",
        "stopping",
        "troubled",
        "wake",
    )

    def __init__(self, conninfo: str, metrics: Metrics, capacity: int = CAPACITY) -> None:
        self.conninfo = conninfo
        self.metrics = metrics
        self.capacity = capacity
        self.rows: deque[LogRow] = deque()
        self.pending: deque[Batch] = deque()  # taken from the ring, not yet known to be written
        self.process = uuid7().hex
        self.seq = 0
        self.stopping = False
        self.troubled = False
        self.wake = asyncio.Event()
        self.connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None

    def append(self, row: LogRow) -> None:
        rows = self.rows
        if len(rows) >= self.capacity:
            rows.popleft()
            self.metrics.counts[ROWS_DROPPED] += 1
        rows.append(row)
        if len(rows) == BATCH:
            self.wake.set()

    def waiting(self) -> int:
        return len(self.rows) + sum(len(batch.rows) for batch in self.pending)

    async def run(self) -> None:
        """Until close(); then until everything is written."""
        while not self.stopping or self.waiting():
            if not self.stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), INTERVAL)
            self.wake.clear()
            if not await self.write_waiting():
                await asyncio.sleep(RETRY_SECONDS)
            self.metrics.counts[ROWS_WAITING] = self.waiting()
        await self.disconnect()

    def close(self) -> None:
        self.stopping = True
        self.wake.set()

    async def write_waiting(self) -> bool:
        """Write what is there; False when the database does not take it now."""
        while self.rows or self.pending:
            if not self.pending:
                self.take_batch()
            if not await self.attempt(self.pending[0]):
                return False
        return True

    async def attempt(self, batch: Batch) -> bool:
        """One try; False when the next is better made later."""
        try:
            await self.write_batch(batch)
        except psycopg.errors.CheckViolation:
            return await self.make_partitions(batch)
        except POISON as error:
            self.split(batch, error)
        except (psycopg.Error, OSError, TimeoutError) as error:
            await self.stumble(error)
            return False
        except Exception as error:  # noqa: BLE001 - a defect costs a row, not the log
            await self.stumble(error)
            self.split(batch, error)
        else:
            self.pending.popleft()
            self.metrics.counts[ROWS_WRITTEN] += len(batch.rows)
            self.troubled = False
        return True

    def take_batch(self) -> None:
        count = min(len(self.rows), MAX_BATCH)
        self.seq += 1
        self.pending.append(Batch(self.seq, [self.rows.popleft() for _ in range(count)]))

    async def write_batch(self, batch: Batch) -> None:
        connection = await self.connect()
        async with connection.transaction():
            values = (self.process, batch.seq, len(batch.rows))
            claim = await connection.execute(CLAIM_SQL, values)
            if not claim.rowcount:  # it is in: only the answer to its COMMIT was lost
                return
            async with connection.cursor().copy(COPY_SQL) as copy:
                for row in batch.rows:
                    await copy.write_row(row)

    async def make_partitions(self, batch: Batch) -> bool:
        """A day without a partition: make it. False when that fails too."""
        try:
            connection = await self.connect()
            for day in batch.days():
                await connection.execute(PARTITION_SQL, (day,))
        except (psycopg.Error, OSError, TimeoutError) as error:
            await self.stumble(error)
            return False
        return True

    def split(self, batch: Batch, error: Exception) -> None:
        """One bad row must not hold up the rest: halve until it stands alone, then drop it."""
        self.pending.popleft()
        if len(batch.rows) == 1:
            self.metrics.counts[ROWS_DROPPED] += 1
            reason = getattr(error, "sqlstate", None) or type(error).__name__
            logger.error("a request log row was refused: %s", reason)
            return
        middle = len(batch.rows) // 2
        for half in (batch.rows[middle:], batch.rows[:middle]):
            self.seq += 1
            self.pending.appendleft(Batch(self.seq, half))

    async def connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        if self.connection is None or self.connection.closed:
            self.connection = await psycopg.AsyncConnection.connect(
                self.conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS
            )
        return self.connection

    async def disconnect(self) -> None:
        if self.connection is not None:
            await self.connection.close()
            self.connection = None

    async def stumble(self, error: BaseException) -> None:
        """The database is away or not migrated: say so once, and begin with a new connection."""
        if not self.troubled:
            self.troubled = True
            logger.warning("the request log cannot be written now: %s", type(error).__name__)
        with contextlib.suppress(psycopg.Error, OSError):
            await self.disconnect()
