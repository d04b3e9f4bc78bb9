"""How a gateway process follows the fence: until when it may rely on what it remembers.

Freshness is told by the clock of the machine's whole running time (it goes on in sleep), read
before the renewal was sent: so it always ends before the database believes that it does.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import psycopg

from apikeys.ledger.sql import CHANNEL as RECALL_CHANNEL
from momentry.common import limited
from momentry.common.clock import clock
from momentry.common.fence import sql

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

PARK_SECONDS: Final = 0.3  # how long a request waits for a late renewal
PARK_LOOKS: Final = 10  # in that time: see Fence.fresh
RETRY_SECONDS: Final = 0.3
KEPT_SECONDS: Final = 10.0  # in which clocks that are slewed part by 5 ms
FAILURES: Final = (psycopg.Error, OSError, TimeoutError)


class Change(NamedTuple):
    """``kind`` key, member, tier, rules, upstreams, all or database; ``subject`` which of them."""

    kind: str
    subject: str


EVERYTHING: Final = (Change("all", ""),)
OTHER_DATABASE: Final = (Change("database", ""),)
Apply = Callable[[tuple[Change, ...]], Awaitable[None]]


class DatabaseTime:
    """What time the database says it is, by our own clock and what renewals said: ahead of it by
    one round trip at most, of the last KEPT_SECONDS the shortest; else whatever a slow one takes
    would be missing from a key's life. Where the database's clock is slewed, or steps on by less
    than the round trips since, it may be behind by so much until an answer tells."""

    __slots__ = ("ahead", "until")

    def __init__(self) -> None:
        self.ahead: float | None = None  # seconds from our clock to 1970's, no less than the true
        self.until = 0.0

    def hear(self, began: float, heard: float, said: float) -> None:
        """Asked and answered then, by our clock. Who steps on, or is no longer the same, is
        followed as soon as an answer tells; who steps back, at once."""
        ahead, behind = said - began, said - heard
        if self.ahead is None or not behind <= self.ahead < ahead or began > self.until:
            self.ahead, self.until = ahead, began + KEPT_SECONDS

    @property
    def is_known(self) -> bool:
        return self.ahead is not None

    def now(self) -> datetime:
        """RuntimeError before the first answer."""
        if self.ahead is None:
            raise RuntimeError("the fence was never renewed")
        return datetime.fromtimestamp(self.ahead + clock(), UTC)


class Fence:
    """``applied``: the generation whose changes this process has followed."""

    __slots__ = (
        "applied",
        "apply",
        "conninfo",
        "era",
        "fresh_until",
        "lease",
        "process",
        "recall",
        "renewed",
        "time",
        "waits",
        "waits_in_vain",
    )

    def __init__(self, conninfo: str, lease: float, apply: Apply) -> None:
        self.conninfo = conninfo
        self.lease = lease
        self.apply = apply
        self.process = f"gateway:{os.getpid()}:{secrets.token_hex(8)}"
        self.applied = 0
        self.era = ""  # of the database: see RENEW
        self.fresh_until = 0.0
        self.time = DatabaseTime()
        self.waits = self.waits_in_vain = 0
        self.renewed = asyncio.Event()
        self.recall: Callable[[str], object] = str  # told the counters that somebody is short of

    def clock(self) -> float:
        return clock()

    def is_fresh(self) -> bool:
        return clock() < self.fresh_until

    def now(self) -> datetime:
        """The database's time: see DatabaseTime."""
        return self.time.now()

    async def fresh(self) -> bool:
        """Now, or after waiting PARK_SECONDS at most. Longer where this process gets no time to
        run: many short waits end only after many turns of the loop, one long wait would be over
        in the turn in which the database's answer, long there, begins to be read."""
        for look in range(PARK_LOOKS):
            if self.is_fresh():
                return True
            self.waits += not look
            self.renewed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.renewed.wait(), PARK_SECONDS / PARK_LOOKS)
        is_fresh = self.is_fresh()
        self.waits_in_vain += not is_fresh
        return is_fresh

    async def run(self, report: Callable[[str, BaseException], None]) -> None:
        """Until it is cancelled; a lost connection is made anew."""
        while True:
            try:
                await self.follow()
            except FAILURES:
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - a defect must not end the following
                report("the fence cannot be followed", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def follow(self) -> None:
        connection = await limited.connect(self.conninfo)
        try:
            await connection.execute(sql.BEGIN)
            await connection.execute(f"LISTEN {sql.CHANNEL}")
            await connection.execute(f"LISTEN {RECALL_CHANNEL}")
            while True:
                await self.renew(connection)
                await self.wait(connection)
        finally:
            await self.leave(connection)

    async def wait(self, connection: Connection) -> None:
        """For a call (those that came during a renewal were kept) or the next renewal. Calls come
        several at a time: each is heard to the last."""
        end = clock() + sql.RENEW_SECONDS
        is_called = False
        while not is_called and (left := end - clock()) > 0:
            async for call in connection.notifies(timeout=left, stop_after=1):
                if call.channel == sql.CHANNEL:
                    is_called = True
                else:
                    self.recall(call.payload)

    async def renew(self, connection: Connection) -> None:
        """Says how far this process is; follows what is new and says so at once. A renewal that
        took longer than the lease is worth nothing: once more."""
        while await self.step(connection) or not self.is_fresh():
            pass

    async def step(self, connection: Connection) -> bool:
        """One renewal. True when there were changes: they are followed, but not acknowledged."""
        began = clock()
        values = {"process": self.process, "applied": self.applied, "lease": self.lease}
        row = await self.ask(connection, sql.RENEW, values)
        heard = clock()
        number, now, era = row[0]
        generation = int(number)  # whatever number the column may hold
        is_behind: bool = generation != self.applied or era != self.era
        if is_behind:
            await self.apply(await self.changes(connection, generation, era))
            if era != self.era:
                self.time = DatabaseTime()
            self.applied, self.era = generation, era
        self.time.hear(began, heard, now.timestamp())
        self.fresh_until = began + self.lease
        if self.is_fresh():
            self.renewed.set()
        return is_behind

    async def changes(
        self, connection: Connection, generation: int, era: str
    ) -> tuple[Change, ...]:
        """Everything, when some were forgotten already or the database went back in time. Of a
        database that may be another one the same generation can mean other changes."""
        other = OTHER_DATABASE if self.era not in {"", era} else ()
        if generation == self.applied:
            return other
        values = {"applied": self.applied, "generation": generation}
        rows = await self.ask(connection, sql.CHANGES, values)
        if not rows or generation < self.applied or rows[0][2] > self.applied + 1:
            return EVERYTHING + other
        return tuple(Change(kind, subject) for kind, subject, _ in rows) + other

    async def ask(
        self, connection: Connection, statement: str, values: dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall()

    async def leave(self, connection: Connection) -> None:
        """Nobody need wait for a process that remembers nothing any more."""
        self.fresh_until = 0.0
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(1):
                await connection.execute(sql.LEAVE, {"process": self.process})
        await connection.close()
