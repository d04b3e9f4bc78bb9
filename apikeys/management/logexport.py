"""Rows of the request log written away before they go: gzip, flat memory, one member a day.

Members of a gzip file follow each other, so every day that was dropped is whole in the file
whatever happened to the next.
"""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from django.db import connection, transaction

from apikeys.management.output import PrivateFile
from apikeys.requestlog.row import COLUMNS
from apikeys.services.bulk.export import moment
from momentry.common import cells

PAGE: Final = 2000
CSV: Final = ".csv.gz"
ENDS: Final = (CSV, ".jsonl.gz")


class LogExport:
    """A new file that only this user reads; its name says the form. Called with a table's name."""

    def __init__(self, path: Path) -> None:
        self.file = PrivateFile(path)
        self.csv = path.name.endswith(CSV)
        self.whole = 0  # bytes of complete days

    def __call__(self, table: str, /) -> None:
        """On the disk when this returns."""
        head = [cells.line(COLUMNS)] if self.csv and not self.whole else []
        with gzip.GzipFile(fileobj=self.file.out, mode="wb", mtime=0) as member:
            for text in chain(head, self.texts(table)):
                member.write(text.encode())
        self.file.put_down()
        self.whole = self.file.out.tell()

    def texts(self, table: str) -> Iterator[str]:
        written = cells.line if self.csv else json_line
        for page in pages(table):
            yield "".join(written(list(map(plain, row))) for row in page)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Whole days stay, for their rows may be gone from the database."""
        if error is None or not self.whole:
            self.file.__exit__(kind, error, trace)
            return
        self.file.out.truncate(self.whole)
        self.file.out.close()


def pages(table: str) -> Iterator[list[tuple[Any, ...]]]:
    """By a cursor of the server."""
    select = f"SELECT {', '.join(COLUMNS)} FROM {table} ORDER BY ts, id"  # noqa: S608  our names
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(select)
        while page := cursor.fetchmany(PAGE):
            yield page


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    return value if value is None or isinstance(value, (int, float, str)) else str(value)


def json_line(values: list[Any]) -> str:
    return json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=False) + "\n"
