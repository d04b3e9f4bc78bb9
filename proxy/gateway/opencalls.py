"""Calls that have been open for a while stand in a file, for whoever comes after a kill
(docs/decisions/021). Short ones never get there: a kill may lose the rows of the last second.

Also the row of such a call stands there from its end until it is in the database, so that it is not
lost either; should it be in both, the log's key (time and id) lets only one in.
"""

from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from apikeys.requestlog.row import LogRow
from proxy.gateway import record
from proxy.gateway.callfile import MOST, CallFile, create
from proxy.gateway.core import logger

if TYPE_CHECKING:
    from proxy.gateway.connection import Connection
    from proxy.gateway.exchange import Exchange

OPEN_SECONDS: Final = 0.5  # with the time between two sweeps well within a second
AT_ONCE: Final = 200  # notes in one sweep: each costs 20 µs
REST_SECONDS: Final = 10.0  # after a failure


class Mark:
    """Where a call stands; ``due``: when it is written anew, each time after twice as long."""

    __slots__ = ("due", "page", "status")

    def __init__(self, page: int) -> None:
        self.page = page
        self.due = 0.0
        self.status = 0


class OpenCalls:
    """Of one process. Never raises; where the file cannot be written, nothing is noted."""

    __slots__ = ("directory", "ended", "file", "free", "marks", "resumes_at", "said", "used")

    def __init__(self) -> None:
        self.directory: Path | None = None
        self.file: CallFile | None = None
        self.marks: dict[Exchange, Mark] = {}
        self.ended: dict[object, int] = {}  # pages of rows that are not yet written, by their ids
        self.free: list[int] = []
        self.used = 0  # pages
        self.resumes_at = 0.0
        self.said = False

    def open(self, directory: str) -> None:
        """ "" for none."""
        if directory:
            self.directory = Path(directory)
            self.make_file()

    def make_file(self) -> None:
        if self.directory is None:
            return
        try:
            self.file = create(self.directory)
        except OSError as error:
            self.failed(error)

    def failed(self, error: OSError) -> None:
        """Said once; tried again later."""
        self.resumes_at = monotonic() + REST_SECONDS
        if not self.said:
            self.said = True
            reason = error.strerror or type(error).__name__
            logger.warning("open calls cannot be noted in OPEN_CALLS_DIR: %s", reason)

    def look(self, clients: "Iterable[Connection]") -> None:
        """Called by each sweep."""
        now = monotonic()
        if self.directory is None or now < self.resumes_at:
            return
        if self.file is None:
            self.make_file()
            if self.file is None:
                return
        before, left = now - OPEN_SECONDS, AT_ONCE
        for client in clients:
            exchange = client.exchange
            if exchange is None or exchange.started > before or exchange.over:
                continue
            mark = self.marks.get(exchange)
            if mark is None or now >= mark.due or exchange.status != mark.status:
                left -= self.note(exchange, now)
                if not left or self.file is None:
                    return

    def note(self, exchange: "Exchange", now: float) -> bool:
        """True when something was written."""
        mark = self.marks.get(exchange)
        if mark is None:
            page = self.page() if record.will_be_logged(exchange) else -1
            if page < 0:
                return False
            mark = self.marks[exchange] = Mark(page)
        mark.due = exchange.started + 2 * (now - exchange.started)
        mark.status = exchange.status
        self.write(mark.page, record.row_of_open(exchange, now - exchange.started))
        return True

    def page(self) -> int:
        """A free one; -1 where there is none."""
        if self.free:
            return self.free.pop()
        if self.used >= MOST:
            return -1
        self.used += 1
        return self.used - 1

    def write(self, page: int, row: LogRow) -> None:
        if self.file is None:
            return
        try:
            self.file.write(page, row)
        except OSError as error:
            self.give_up(error)

    def end(self, exchange: "Exchange", row: LogRow | None) -> None:
        """It is over; ``row`` is on its way to the database. None: it has none of its own."""
        mark = self.marks.pop(exchange, None)
        if mark is None:
            return
        if row is None:
            self.clear(mark.page)
        else:
            self.ended[row.id] = mark.page
            self.write(mark.page, row)

    def written(self, rows: Iterable[LogRow]) -> None:
        """These are in the database."""
        for row in rows if self.ended else ():
            page = self.ended.pop(row.id, None)
            if page is not None:
                self.clear(page)

    def clear(self, page: int) -> None:
        if self.file is None:
            return
        self.free.append(page)
        try:
            self.file.clear(page)
        except OSError as error:
            self.give_up(error)

    def give_up(self, error: OSError) -> None:
        """Better nothing is told of these calls than something wrong."""
        self.failed(error)
        self.remove()

    def remove(self) -> None:
        file, self.file = self.file, None
        self.marks.clear()
        self.ended.clear()
        self.free.clear()
        self.used = 0
        if file is not None:
            try:
                file.remove()
            except OSError as error:
                self.failed(error)
            file.close()

    def close(self) -> None:
        """The process ends. What could not be written to the database stays for another."""
        if not self.marks and not self.ended:
            self.remove()
