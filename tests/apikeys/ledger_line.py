"""A process's line to the database, which loses an answer where it is told to and notes what was
lost with it.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import psycopg

from apikeys.ledger import sql
from apikeys.ledger.keeper import Keeper
from apikeys.ledger.link import Link, Rows
from tests.apikeys.ledger_account import Account, Place

KNOWN = "SELECT counter_id FROM apikeys_lease WHERE process = %(process)s AND seq = %(seq)s"
RECALLED = 9  # of the columns of sql.LEASE
WRITES = {sql.TAKE, sql.OPEN, sql.GIVE_BACK, sql.LEASE, sql.RETURN, sql.REPORT, sql.REAP}
Meanwhile = Callable[[], Awaitable[None]]  # what happens while the next answer is on its way
Values = dict[str, Any]
Row = tuple[Any, ...]


async def nothing() -> None:
    """Happens."""


class Watched(psycopg.Connection[Row]):
    """Knows whether the books were written in since somebody looked."""

    is_changed = True
    recall: Callable[[str], None]

    def execute(self, query: Any, *args: Any, **options: Any) -> psycopg.Cursor[Row]:
        self.is_changed = self.is_changed or query in WRITES
        return super().execute(query, *args, **options)

    def hear(self) -> None:
        """What was called back in the statement before."""
        calls = list(self.notifies(timeout=10, stop_after=1))
        assert calls, "nothing was called back"
        for call in calls:
            self.recall(call.payload)


class Answer:
    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> None:
        self.rowcount = cursor.rowcount
        result = cursor.pgresult  # cheaper to ask than cursor.description
        self.rows = cursor.fetchall() if result and result.nfields else []

    async def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows


class Line:
    """``loses``: "before" or "after" the COMMIT, what becomes of the next statement's answer.

    ``doubtful`` are the counters whose lease others may have ended, because the process was
    thought dead after it asked last.
    """

    closed = False

    def __init__(self, database: Watched, account: Account) -> None:
        self.database = database
        self.account = account
        self.loses = ""
        self.unheard: Values | None = None  # what was committed, and nobody heard of it
        self.units: dict[Place, int] = {}  # that it granted
        self.places: dict[int, Place] = {}
        self.doubtful: set[int] = set()
        self.is_expired = False
        self.ready: list[Answer] = []  # answers that were on their way for a while
        self.meanwhile: Meanwhile = nothing

    async def execute(self, statement: str, values: Any = None) -> Answer:
        if self.ready:
            return self.ready.pop()
        loses, self.loses = self.loses, ""
        if loses == "before":
            raise psycopg.OperationalError
        known = self.known(statement, values)
        answer = Answer(self.database.execute(statement, values))
        if statement is sql.LEASE and not answer.rows:
            self.loses, loses = loses, ""  # first the counter is opened
        meanwhile, self.meanwhile = self.meanwhile, nothing
        await meanwhile()
        self.note(statement, values, answer, known)
        if statement is sql.LEASE and any(row[RECALLED] for row in answer.rows):
            self.database.hear()
        if loses == "after":
            self.unheard = values
            if statement is sql.GIVE_BACK:
                self.note_twice(values)
            raise psycopg.OperationalError
        self.unheard = None
        return answer

    def known(self, statement: str, values: Values) -> set[int] | None:
        """The leases of an asking that is sent again; None when it is the first time."""
        if statement is not sql.LEASE or values is not self.unheard:
            return None
        return {row[0] for row in self.database.execute(KNOWN, values)}

    def note(self, statement: str, values: Values, answer: Answer, known: set[int] | None) -> None:
        if statement is sql.LEASE and answer.rows:
            self.note_leases(values, answer.rows, known)
        elif statement is sql.RETURN and values is not self.unheard:
            self.note_returns(values, answer.rowcount)

    def note_leases(self, values: Values, rows: Rows, known: set[int] | None) -> None:
        starts = dict(zip(zip(values["subjects"], values["periods"], strict=True), values["starts"],
                          strict=True))  # fmt: skip
        for subject, _, period, counter, units, *_ in rows:
            place = self.places[counter] = (subject, period, starts[subject, period])
            if known is not None and counter not in known:
                assert counter in self.doubtful, "a lease of the living was ended"
                self.account.lost[place] += self.units[place]
            self.units[place] = units
            if self.is_expired:
                self.doubtful.add(counter)
            else:
                self.doubtful.discard(counter)

    def note_returns(self, values: Values, returned: int) -> None:
        """Of a lease that was ended while its holder was thought dead nothing comes back."""
        lefts = dict(zip(values["counters"], values["lefts"], strict=True))
        doubtful = self.doubtful & lefts.keys()
        assert len(lefts) - returned <= len(doubtful), "a lease of the living was ended"
        if returned < len(lefts):
            for counter in doubtful:
                self.account.held(self.places[counter], lefts[counter])
        self.doubtful -= doubtful

    def note_twice(self, values: Values) -> None:
        columns = (values[name] for name in ("subjects", "periods", "starts", "units"))
        for subject, period, start, units in zip(*columns, strict=True):
            self.account.twice[subject, period, start] -= units

    async def close(self) -> None:
        """Nothing: it is shared."""


class OwnLink(Link):
    """The keeper's link, by such a line."""

    __slots__ = ("line",)

    def __init__(self, line: Line) -> None:
        super().__init__("", "")
        self.line = line

    async def connect(self) -> Any:
        """There is one."""
        return cast("Any", self.line)

    async def execute(self, statement: str, parameters: dict[str, Any]) -> Rows:
        return (await self.line.execute(statement, parameters)).rows


class Unresting(Keeper):
    """It never rests: who plays says when it is its turn."""

    __slots__ = ()

    async def rest(self) -> None:
        self.wake.clear()
