"""A database connection (asyncio) on which nothing may stand still: then it fails, and ends.

The server's own time-outs end what is slow there. They do not help where the network swallows
everything: the kernel would wait for many minutes.
"""

import asyncio
import contextlib
import os
import socket
import traceback
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg

if TYPE_CHECKING:
    from psycopg.abc import RV, PQGen

CONNECT_SECONDS: Final = 3
LIMIT_SECONDS: Final = 3.8  # above the server's own; so that it is mended within five
OPTIONS: Final = "-c statement_timeout=3500"


class TidyConnection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """Where none comes about, its socket is closed at once: what failed refers to it in a circle,
    and until that is collected the server keeps a place for who has long left."""

    @classmethod
    async def connect(cls, conninfo: str = "", **given: Any) -> Self:
        try:
            return await super().connect(conninfo, **given)
        except BaseException as error:
            clear(error)
            raise


def clear(error: BaseException | None) -> None:
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


class LimitedConnection(TidyConnection):
    """Whatever is awaited of it raises psycopg.OperationalError after LIMIT_SECONDS."""

    async def wait(
        self,
        gen: "PQGen[RV]",
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109  psycopg's own
    ) -> "RV":
        limit = asyncio.get_running_loop().call_later(LIMIT_SECONDS, break_off, self)
        try:
            return await super().wait(gen, interval, timeout)
        except psycopg.NotSupportedError:
            await self.close()  # prepared for a table that was altered: it would fail for ever
            raise
        finally:
            limit.cancel()


def break_off(connection: psycopg.AsyncConnection[Any]) -> None:
    """By the socket: whoever waits for it is told that it ended. A cancelled task would ask the
    server first, which may be what stands still."""
    if connection.closed:
        return
    with (
        contextlib.suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as end,
    ):
        end.shutdown(socket.SHUT_RDWR)


async def connect(conninfo: str, options: str = OPTIONS) -> LimitedConnection:
    """Commits by itself. Raises psycopg.Error, OSError."""
    return await LimitedConnection.connect(
        conninfo, autocommit=True, options=options, connect_timeout=CONNECT_SECONDS
    )
