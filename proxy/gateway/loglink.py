"""The request log's own connection: what stands still on it is broken off, and ended at the server.

A half-dead connection (a stopped server, a network that swallows everything) must not hold the log
for ever, nor the transaction that it left behind the next one, which waits for that one's claim.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from momentry.common.limited import TidyConnection

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

CONNECT_SECONDS: Final = 3
PATIENCE_SECONDS: Final = 7.0  # above the server's own time-out
LAST_SECONDS: Final = 1.5  # when we stop: there must be time for a second attempt
# Of a client that vanished in the middle of a COPY only its silence tells the server.
OPTIONS: Final = (
    "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=5000"
    " -c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3"
    " -c tcp_user_timeout=5000"
)
FAILURES: Final = (psycopg.Error, OSError, TimeoutError)
END_OTHERS_SQL: Final = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
 WHERE application_name = %s AND usename = current_user AND pid <> pg_backend_pid()
"""


class LogLink:
    """``left_behind``: what was begun on an earlier connection may still run at the server."""

    __slots__ = ("connection", "conninfo", "left_behind", "limit", "name", "patience")

    def __init__(self, conninfo: str, process: str) -> None:
        self.conninfo = conninfo
        self.name = f"momentry-log-{process}"
        self.connection: Connection | None = None
        self.left_behind = False
        self.patience = PATIENCE_SECONDS
        self.limit: asyncio.TimerHandle | None = None

    async def connect(self) -> Connection:
        """The one there is, or a new one. Raises FAILURES."""
        if self.connection is None or self.connection.closed:
            self.connection = await TidyConnection.connect(
                self.conninfo,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                options=OPTIONS,
                application_name=self.name,
            )
        if self.left_behind:
            await self.connection.execute(END_OTHERS_SQL, (self.name,))
            self.left_behind = False
        return self.connection

    async def disconnect(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(*FAILURES):
                await connection.close()

    async def abandon(self) -> None:
        """It failed, and nobody knows where: the next one begins by ending it."""
        self.left_behind = True
        await self.disconnect()

    @contextlib.contextmanager
    def limited(self) -> Iterator[None]:
        """What is awaited inside fails when it takes too long."""
        self.begin_limit(self.patience)
        try:
            yield
        finally:
            self.end_limit()

    def begin_limit(self, seconds: float) -> None:
        self.limit = asyncio.get_running_loop().call_later(seconds, self.break_off)

    def end_limit(self) -> None:
        if self.limit is not None:
            self.limit.cancel()
            self.limit = None

    def hurry(self) -> None:
        """The process stops: from now on, and for what is under way, there is less time."""
        self.patience = LAST_SECONDS
        if self.limit is not None:
            self.end_limit()
            self.begin_limit(self.patience)

    def break_off(self) -> None:
        """By the socket: whoever waits for it is told that it ended. A cancelled task would ask the
        server first, which may be what stands still."""
        connection = self.connection
        if connection is None or connection.closed:
            return
        with (
            contextlib.suppress(*FAILURES),
            socket.socket(fileno=os.dup(connection.fileno())) as end,
        ):
            end.shutdown(socket.SHUT_RDWR)
