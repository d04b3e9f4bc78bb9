"""A process's own connection to the ledger (asyncio and psycopg)."""

import contextlib
from typing import Any, Final

import psycopg

from momentry.common import limited
from momentry.common.limited import LimitedConnection

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Rows = list[tuple[Any, ...]]

# A living holder asks at least once a second. A network that swallows everything leaves the server
# with a session that nobody uses: it must end, or the next one waits for it for hours.
OPTIONS: Final = f"{limited.OPTIONS} -c idle_session_timeout=4000"
FAILURES: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,  # read-only, damaged
    psycopg.NotSupportedError,  # a table was altered under a prepared statement
    psycopg.errors.UndefinedTable,  # not migrated yet
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InsufficientPrivilege,
    OSError,
    TimeoutError,
)
# Held as long as the connection: a new one waits here for the end of the one before.
ALONE_SQL: Final = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"


class Link:
    """Made anew when it is lost. Raises FAILURES."""

    __slots__ = ("connection", "conninfo", "process")

    def __init__(self, conninfo: str, process: str) -> None:
        self.conninfo = conninfo
        self.process = process
        self.connection: LimitedConnection | None = None

    async def execute(self, statement: str, parameters: dict[str, Any]) -> Rows:
        connection = await self.connect()
        cursor = await connection.execute(statement, parameters)
        return await cursor.fetchall() if cursor.description else []

    async def connect(self) -> LimitedConnection:
        if self.connection is None or self.connection.closed:
            connection = await limited.connect(self.conninfo, OPTIONS)
            try:
                await connection.execute(ALONE_SQL, (f"ledger {self.process}",))
            except BaseException:
                await connection.close()
                raise
            self.connection = connection
        return self.connection

    async def disconnect(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(*FAILURES):
                await connection.close()
