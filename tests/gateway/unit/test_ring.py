"""Rows that wait are bounded in number and in bytes; the oldest are dropped, and counted."""

import tracemalloc
from datetime import UTC, datetime

import pytest

from apikeys.requestlog.row import PATH_LENGTH, USER_AGENT_LENGTH, LogRow
from momentry.common.ids import uuid7_text
from proxy.gateway.ring import MAX_OUT, MOST_BYTES, ROW_BYTES, Ring, bytes_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MIB = 1 << 20


def row(text: str = "/x", agent: str = "") -> LogRow:
    return LogRow(NOW, uuid7_text(), "GET", text, 200, user_agent=agent)


def fill(ring: Ring, rows: list[LogRow]) -> int:
    return sum(ring.append(one) for one in rows)


def test_the_oldest_go_when_there_are_too_many() -> None:
    ring, rows = Ring(capacity=10), [row() for _ in range(25)]

    assert fill(ring, rows) == 15

    assert list(ring.rows) == rows[15:]


def test_rows_that_are_out_count_and_stay() -> None:
    ring, rows = Ring(capacity=10), [row() for _ in range(30)]
    fill(ring, rows[:10])
    out = ring.take()

    assert fill(ring, rows[10:]) == 20
    assert (len(ring), out) == (10, rows[:10])
    ring.done(4)
    assert fill(ring, rows[:5]) == 1
    ring.done(6)
    assert len(ring) == 4
    assert fill(ring, rows[:6]) == 0


@pytest.mark.parametrize("text", ["p", "…"])
def test_the_oldest_go_when_they_are_too_long(text: str) -> None:
    ring = Ring(max_bytes=8 * MIB)
    rows = [row(text * PATH_LENGTH, text * USER_AGENT_LENGTH) for _ in range(6000)]

    dropped = fill(ring, rows)

    assert dropped == 6000 - len(ring)
    assert ring.rows[-1] is rows[-1]
    assert bytes_of(ring.rows) == ring.held
    assert 8 * MIB - MOST_BYTES < bytes_of(ring.rows) <= 8 * MIB


def test_bytes_are_told_right_while_rows_go_out_and_come() -> None:
    ring = Ring(capacity=9_000)
    for turn in range(5):
        fill(ring, [row("/" + "x" * (turn * 100)) for _ in range(7_000)])
        assert ring.held == bytes_of(ring.rows) + bytes_of(ring.taken)
        if turn % 2:
            ring.done(len(ring.taken))
            ring.take()
    assert len(ring) <= 9_000


def test_few_rows_are_not_weighed_and_fit_whatever_they_are() -> None:
    ring = Ring()

    fill(ring, [row() for _ in range(ring.few)])
    told = [ring.held]
    fill(ring, [row()])
    told.append(ring.held)
    ring.take()
    told.append(ring.held)

    assert told == [None, (ring.few + 1) * (ROW_BYTES + len("/x")), None]
    assert (ring.few + MAX_OUT) * MOST_BYTES <= ring.max_bytes


@pytest.mark.parametrize("text", ["p", "…"])
def test_what_a_row_is_said_to_take_it_takes_at_most(text: str) -> None:
    tracemalloc.start()
    try:
        rows = [row(text * PATH_LENGTH, text * USER_AGENT_LENGTH) for _ in range(100)]
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert taken <= bytes_of(rows) <= 100 * MOST_BYTES
