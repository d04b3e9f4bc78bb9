"""Writes request log rows by COPY, in batches, beside the requests; never doubles, rarely loses.

Rows wait in a bounded ring: when the database is away or stuck for long the oldest go first,
counted. Each COPY's transaction also inserts (process, seq), so a batch whose COMMIT was answered
to nobody is recognised when it is tried again.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from datetime import UTC, date, datetime
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

import psycopg

from apikeys.requestlog import packed
from apikeys.requestlog.row import COLUMNS, TABLE, LogRow
from momentry.common.ids import uuid7
from proxy.gateway.core import logger
from proxy.gateway.loglink import FAILURES, LogLink
from proxy.gateway.metrics import (
    ROWS_DROPPED,
    ROWS_SHARED,
    ROWS_WAITING,
    ROWS_WRITTEN,
    Metrics,
)
from proxy.gateway.ring import CAPACITY, Ring
from proxy.gateway.sampling import Sampler
from proxy.gateway.usewriter import UseWriter

BATCH: Final = 500
AT_ONCE: Final = 50  # rows made ready in one turn of the loop: 500 would hold everybody up for 1 ms
CATCHING_UP: Final = 25  # or such a part of what waits: in a busy loop's turn more than 50 may come
INTERVAL: Final = 0.25
RETRY_SECONDS: Final = 0.5

CLAIM_SQL: Final = """
INSERT INTO apikeys_logbatch (process, seq, rows, created_at) VALUES (%s, %s, %s, now())
ON CONFLICT (process, seq) DO NOTHING
"""
COPY_SQL: Final = f"COPY {TABLE} ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
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
        "link",
        "metrics",
        "partitioned",
        "pending",
        "process",
        "ring",
        "sampler",
        "seq",
        "stopping",
        "troubled",
        "uses",
        "wake",
        "written",
    )

    def __init__(self, conninfo: str, metrics: Metrics, capacity: int = CAPACITY) -> None:
        self.metrics = metrics
        self.ring = Ring(capacity)
        self.sampler = Sampler()
        self.pending: deque[Batch] = deque()  # taken from the ring, not yet known to be written
        self.process = uuid7().hex
        self.link = LogLink(conninfo, self.process)
        self.seq = 0
        self.partitioned = 0  # the batch that partitions were made for
        self.stopping = False
        self.troubled = False
        self.uses = UseWriter(self.link)
        self.wake = asyncio.Event()
        self.written: Callable[[list[LogRow]], object] = list  # told of rows that are in

    def append(self, row: LogRow) -> None:
        if dropped := self.ring.append(row):
            self.metrics.counts[ROWS_DROPPED] += dropped
        if len(self.ring.rows) == BATCH:
            self.wake.set()

    def append_some(self, address: str, status: int, code: str, make: Callable[[], LogRow]) -> None:
        """A refusal of nobody known: of too many of them some share a row."""
        sampler, now = self.sampler, monotonic()
        if sampler.has_room(address, now):
            self.append(make())
        elif sampler.joins(address, status, code):
            self.metrics.counts[ROWS_SHARED] += 1
        else:
            sampler.share(address, make(), now)

    def used(self, key_id: UUID, at: datetime) -> None:
        """A request with this key was admitted then."""
        self.uses.uses.add(key_id, at)

    def waiting(self) -> int:
        return len(self.ring) + len(self.sampler.shared)

    async def run(self) -> None:
        """Until close(); then until everything is written."""
        self.tick()
        while not self.stopping or self.waiting():
            if not self.stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), INTERVAL)
            self.wake.clear()
            self.take_shared()
            if not await self.write_waiting():
                await asyncio.sleep(RETRY_SECONDS)
        await self.uses.write_all()
        await self.link.disconnect()

    def tick(self) -> None:
        """Also while run() waits for the database."""
        self.take_shared()
        self.metrics.counts[ROWS_WAITING] = self.waiting()
        if not self.stopping:
            asyncio.get_running_loop().call_later(INTERVAL, self.tick)

    def take_shared(self) -> None:
        """Rows that several refusals share, once they have stood for long enough."""
        for row in self.sampler.due(monotonic(), at_once=self.stopping):
            self.append(row)

    def close(self) -> None:
        self.stopping = True
        self.link.hurry()
        self.wake.set()

    async def write_waiting(self) -> bool:
        """Write what is there; False when the database does not take it now."""
        while self.ring.rows or self.pending:
            if not self.pending:
                self.take_batch()
            if not await self.attempt(self.pending[0]):
                return False
            await self.uses.write_due()  # under load there is always another row
        await self.uses.write_due()
        return True

    async def attempt(self, batch: Batch) -> bool:
        """One try; False when the next is better made later."""
        try:
            with self.link.limited():
                await self.write_batch(batch)
        except psycopg.errors.CheckViolation as missing:
            return await self.make_partitions(batch, missing)
        except POISON as refused:
            self.split(batch, refused)
        except FAILURES as failure:
            await self.stumble(failure)
            return False
        except Exception as defect:  # noqa: BLE001 - a defect costs a row, not the log
            await self.stumble(defect)
            self.split(batch, defect)
        else:
            self.ring.done(len(self.pending.popleft().rows))
            self.metrics.counts[ROWS_WRITTEN] += len(batch.rows)
            self.written(batch.rows)
            self.troubled = False
        return True

    def take_batch(self) -> None:
        self.seq += 1
        self.pending.append(Batch(self.seq, self.ring.take()))

    async def write_batch(self, batch: Batch) -> None:
        connection = await self.link.connect()
        async with connection.transaction():
            values = (self.process, batch.seq, len(batch.rows))
            claim = await connection.execute(CLAIM_SQL, values)
            if not claim.rowcount:  # it is in: only the answer to its COMMIT was lost
                return
            async with connection.cursor().copy(COPY_SQL) as copy:
                await self.send(copy, batch.rows)

    async def send(self, copy: psycopg.AsyncCopy, rows: list[LogRow]) -> None:
        await copy.write(packed.BEGIN)
        done = 0
        while done < len(rows):
            end = done + max(AT_ONCE, len(self.ring.rows) // CATCHING_UP)
            await copy.write(packed.packed(rows[done:end]))
            await asyncio.sleep(0)
            done = end
        await copy.write(packed.END)

    async def make_partitions(self, batch: Batch, error: Exception) -> bool:
        """A day without a partition: make it. False when that fails too."""
        if batch.seq == self.partitioned:  # it was not that
            self.split(batch, error)
            return True
        try:
            with self.link.limited():
                connection = await self.link.connect()
                for day in batch.days():
                    await connection.execute(PARTITION_SQL, (day,))
        except FAILURES as failure:
            await self.stumble(failure)
            return False
        self.partitioned = batch.seq
        return True

    def split(self, batch: Batch, error: Exception) -> None:
        """One bad row must not hold up the rest: halve until it stands alone, then drop it."""
        self.pending.popleft()
        if len(batch.rows) == 1:
            self.ring.done(1)
            self.metrics.counts[ROWS_DROPPED] += 1
            reason = getattr(error, "sqlstate", None) or type(error).__name__
            logger.error("a request log row was refused: %s", reason)
            return
        middle = len(batch.rows) // 2
        for half in (batch.rows[middle:], batch.rows[:middle]):
            self.seq += 1
            self.pending.appendleft(Batch(self.seq, half))

    async def stumble(self, error: BaseException) -> None:
        """The database is away, stuck or not migrated: say so once, and begin anew."""
        if not self.troubled:
            self.troubled = True
            logger.warning("the request log cannot be written now: %s", type(error).__name__)
        await self.link.abandon()
