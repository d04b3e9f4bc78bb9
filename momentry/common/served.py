"""Django's database connection (threads): in a server nothing waits for long on one that stands
still, and when one fails the idle ones beside it are not tried one by one.

Commands and the worker have no limit: what they ask may take its time.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import psycopg
from psycopg_pool import ConnectionPool

if TYPE_CHECKING:
    from psycopg.abc import RV, PQGen

CONNECT_SECONDS: Final = 3
LIMIT_SECONDS: Final = 6.0
MARGIN_SECONDS: Final = 0.5  # so much sooner a server that works ends the statement itself


class ServedConnection(psycopg.Connection[tuple[Any, ...]]):
    limit: ClassVar[float | None] = None  # seconds for whatever is awaited; a server's to set

    @classmethod
    def connect(cls, conninfo: str = "", **given: Any) -> Self:
        """What nobody waits for any more must not go on at the server, and hold its locks."""
        if cls.limit is not None:
            milliseconds = int((cls.limit - MARGIN_SECONDS) * 1000)
            options = f"{given.get('options') or ''} -c statement_timeout={milliseconds}"
            given["options"] = options.strip()
        return super().connect(conninfo, **given)

    def wait(self, gen: "PQGen[RV]", interval: float = 0.1, timeout: float | None = None) -> "RV":
        try:
            return super().wait(gen, interval, self.limit if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if timeout is None and error.sqlstate is None:  # not the server's word
                self.close()
            if self.closed and isinstance(self._pool, ConnectionPool):
                self._pool.drain()
            raise
