"""The log writer on a real database: no row twice, no row for want of a partition, bounded loss."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from typing import Any

import psycopg
import pytest

from apikeys.requestlog.packed import packed
from apikeys.requestlog.row import LogRow
from momentry.common.ids import uuid7
from proxy.gateway import logwriter
from proxy.gateway.logwriter import LogWriter
from proxy.gateway.metrics import ROWS_DROPPED, ROWS_WRITTEN, Metrics
from tests.gateway.conftest import Database
from tests.gateway.processes import rows_of

NOW = datetime.now(UTC)


def row(**given: Any) -> LogRow:
    values: dict[str, Any] = {"ts": NOW, "method": "GET", "path": "/x", "status": 200}
    return LogRow(**values | {"id": uuid7()} | given)


def count(database: Database, rows: list[LogRow]) -> int:
    ids = [str(one.id) for one in rows]
    return len(rows_of(database.conninfo, "id = ANY(%s::uuid[])", ids))


def write(database: Database, rows: list[LogRow], capacity: int = 50_000) -> LogWriter:
    """Append and write until nothing waits."""
    writers: list[LogWriter] = []

    async def work() -> None:
        writer = LogWriter(database.conninfo, Metrics(1), capacity)
        writers.append(writer)
        for one in rows:
            writer.append(one)
        writer.close()
        await asyncio.wait_for(writer.run(), 10)

    asyncio.run(work())
    return writers[0]


def test_rows_are_written_with_every_column(database: Database) -> None:
    full = row(
        key_id=uuid7(), member_id=uuid7(), upstream="u", target="t", operation="o", model="m",
        code="c", error_detail="e\t\\N\n", first_byte_ms=0.5, total_ms=1.5, bytes_in=1,
        bytes_out=2, tokens_in=3, cost_micro=5, usage_source="reported",
        client_address="2001:db8::1", user_agent="ü",
    )  # fmt: skip

    write(database, [full])

    (found,) = rows_of(database.conninfo, "id = %s", full.id)
    told = full._asdict()
    assert {name: found[name] for name in told} == told | {
        "client_address": found["client_address"]
    }
    assert str(found["client_address"]) == "2001:db8::1"


ELSEWHERE = timezone(timedelta(hours=-5, minutes=-30))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"ts": NOW.astimezone(ELSEWHERE)},
        {"ts": NOW.replace(microsecond=0)},
        {"key_id": uuid7()},
        {"member_id": uuid7()},
        {"key_id": uuid7(), "member_id": uuid7(), "status": 599},
        {"first_byte_ms": 0.1},
        {"total_ms": 1e9},
        {"bytes_in": 2**63 - 1, "bytes_out": 0},
        {"tokens_in": 0, "tokens_out": 1, "tokens_cached": 2, "tokens_reasoning": 3},
        {"tokens_cached": 0},
        {"cost_micro": -1},
        {"path": "/" + "\x80ÿ🔑" * 680, "user_agent": "🔑" * 256, "error_detail": "ü" * 200},
        {"client_address": "203.0.113.9"},
        {"client_address": "::ffff:203.0.113.9"},
        {"client_address": ""},
    ],
    ids=lambda given: " ".join(given) or "nothing",
)
def test_a_row_is_found_as_it_was_given(database: Database, given: dict[str, Any]) -> None:
    one = row(**given)

    write(database, [one._replace(id=str(one.id))])

    (found,) = rows_of(database.conninfo, "id = %s", one.id)
    address = ip_address(one.client_address) if one.client_address else None
    assert found == found | one._asdict() | {"client_address": address}


def test_texts_that_come_again_are_not_mixed_up(database: Database) -> None:
    """More of them than are remembered."""
    rows = [row(upstream=f"u{n % 3}", user_agent=f"agent {n}") for n in range(3000)]

    write(database, rows)

    ids = [str(one.id) for one in rows]
    found = rows_of(database.conninfo, "id = ANY(%s::uuid[])", ids)
    assert {(f["id"], f["upstream"], f["user_agent"]) for f in found} == {
        (one.id, one.upstream, one.user_agent) for one in rows
    }


def test_a_missing_partition_is_made(database: Database) -> None:
    rows = [row(ts=NOW - timedelta(days=days)) for days in (400, 400, 401)]

    write(database, rows)

    assert count(database, rows) == 3


def test_one_bad_row_costs_only_itself(database: Database) -> None:
    unspeakable = row(path="\ud800")
    rows = [row(), row(path="a\0b"), row(), row(client_address="nobody"), unspeakable, row()]

    writer = write(database, rows)

    assert count(database, rows) == 3
    assert writer.metrics.counts[ROWS_DROPPED] == 3
    assert writer.metrics.counts[ROWS_WRITTEN] == 3


def test_a_full_ring_drops_the_oldest_and_counts(database: Database) -> None:
    rows = [row() for _ in range(5)]

    writer = write(database, rows, capacity=3)

    assert count(database, rows[:2]) == 0
    assert count(database, rows[2:]) == 3
    assert writer.metrics.counts[ROWS_DROPPED] == 2


Write = Callable[[logwriter.Batch], Coroutine[Any, Any, None]]


def test_a_lost_commit_answer_doubles_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is in, but the connection dies before the writer learns it."""
    real: Callable[..., Coroutine[Any, Any, None]] = LogWriter.write_batch
    calls: list[int] = []

    async def lose_the_first_answer(writer: LogWriter, batch: logwriter.Batch) -> None:
        await real(writer, batch)
        calls.append(batch.seq)
        if len(calls) == 1:
            raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(LogWriter, "write_batch", lose_the_first_answer)
    rows = [row() for _ in range(10)]

    write(database, rows)

    assert calls == [1, 1]
    assert count(database, rows) == 10


@pytest.mark.parametrize(("rows", "most"), [(300, logwriter.AT_ONCE), (10_000, 200)])
def test_a_large_batch_holds_nobody_up(
    database: Database, monkeypatch: pytest.MonkeyPatch, rows: int, most: int
) -> None:
    """But where as many wait behind it, it must get done: in a busy loop's turn many come."""
    made: list[int] = []
    in_a_turn: list[int] = []
    real = psycopg.AsyncCopy.write
    size = len(packed([row()]))

    async def counted(copy: psycopg.AsyncCopy, some: bytes) -> None:
        made.append(len(some) // size)
        await real(copy, some)

    async def take_turns() -> None:
        while True:
            in_a_turn.append(sum(made))
            made.clear()
            await asyncio.sleep(0)

    async def work() -> None:
        writer = LogWriter(database.conninfo, Metrics(1))
        for _ in range(rows):
            writer.append(row())
        beside = asyncio.create_task(take_turns())
        await asyncio.wait_for(writer.write_waiting(), 10)
        beside.cancel()
        await writer.link.disconnect()

    monkeypatch.setattr(psycopg.AsyncCopy, "write", counted)
    asyncio.run(work())

    assert sum(in_a_turn) == rows
    assert max(in_a_turn) == most
