"""DUR-12: runs of the same scheduled work that meet in the middle of it, held there by a lock of
the database until all threads of two workers have begun: it is done once, and no run fails."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.apikeys.logs import empty, table, tables
from tests.apikeys.test_schedule import house, send  # noqa: F401  a fixture
from tests.apikeys.test_schedule_twice import (
    DUE,
    ENDED,
    FAILED,
    HOLDS,
    KEPT,
    NO_EVENTS,
    OLD,
    RECENT,
    RUNS,
    all_wait,
    calls,
    due_keys,
    ended_keys,
    events,
    held,
    holds,
    kept_holds,
    summed,
    worker,
)
from tests.gateway.conftest import Database
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

MANY = 24  # more than one worker takes to itself
PURGED = re.compile(r"Purged (\d+) holds\.")
CLEANED = f"Cleaned up {24 * len(OLD)} old request logs"
# A run tries again and again to take a day out of the log, or waits for the run that does.
TAKING_OUT = """
SELECT count(*)::int FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND (query ~ 'lock_timeout|DETACH PARTITION' OR wait_event = 'advisory')
"""


class Pair(NamedTuple):
    """Two workers; what they say."""

    house: Database
    logs: tuple[Path, Path]

    def said(self) -> list[str]:
        lines = [line for log in self.logs for line in log.read_text().splitlines()]
        return [json.loads(line)["event"] for line in lines if line.startswith("{")]

    def ends(self, task: str) -> list[str]:
        """How runs of the task ended."""
        ends = re.compile(rf"\.{task}\[.*({FAILED}|succeeded)")
        return [said for said in self.said() if ends.search(said)]


@pytest.fixture(scope="module")
def pair(
    house: Database,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    logs = (tmp_path_factory.mktemp("one") / "log", tmp_path_factory.mktemp("two") / "log")
    with worker(house, logs[0], "--no-beat"), worker(house, logs[1], "--no-beat"):
        yield Pair(house, logs)


def meet(pair: Pair, task: str, lock: str) -> None:
    """All threads of both workers are in the middle of the task before one of them ends it."""
    with held(pair.house, lock):
        send(f"apikeys.tasks.{task}", MANY)
        assert within(60, lambda: all_wait(pair.house))
    none_fails(pair, task)


def none_fails(pair: Pair, task: str) -> None:
    """Also of those that had to wait for a thread."""
    assert within(60, lambda: len(pair.ends(task)) == MANY)
    assert [end for end in pair.ends(task) if FAILED in end] == []


@pytest.mark.parametrize(
    ("task", "kind", "fill", "number"),
    [
        ("purge_keys", "apikey:purged", ended_keys, ENDED),
        ("require_rotations", "apikey:rotation_required", due_keys, DUE),
    ],
    ids=["purge", "rotations"],
)
def test_each_key_gets_one_event(
    task: str, kind: str, fill: Callable[[Database], None], number: int, pair: Pair
) -> None:
    fill(pair.house)

    meet(pair, task, NO_EVENTS)

    assert list(events(pair.house, kind).values()) == [1] * number


@pytest.mark.parametrize("task", ["roll_up_usage", "roll_up_late_usage"])
def test_each_call_is_summed_once(task: str, pair: Pair) -> None:
    empty(pair.house)
    calls(pair.house, RECENT)

    meet(pair, task, "LOCK TABLE apikeys_hourlyusage IN SHARE MODE")

    assert summed(pair.house) == [24 * len(RECENT)] * 2


def test_each_day_of_the_log_goes_once(pair: Pair) -> None:
    """Every run knows what is due, or waits to be let in, before the first day has left the log;
    that is dropped when every run that is let in has come as far."""
    house = pair.house  # noqa: F811  the fixture's
    empty(house)
    calls(house, OLD + RECENT)
    (first, *_) = tables(house)

    with ExitStack() as marks:
        with held(house, f"LOCK TABLE {first} IN ACCESS SHARE MODE"):
            send("apikeys.tasks.purge_request_logs", MANY)
            assert within(60, lambda: house.fetch(TAKING_OUT) == [(RUNS,)])
            marks.enter_context(held(house, "LOCK TABLE apikeys_usagemark"))
        assert within(60, lambda: all_wait(house))
    none_fails(pair, "purge_request_logs")

    assert pair.said().count(CLEANED) == 1
    assert len(tables(house)) == len(RECENT)
    assert summed(house) == [24 * len(OLD + RECENT)] * 2


def test_each_day_to_come_gets_one_table(pair: Pair) -> None:
    house = pair.house  # noqa: F811  the fixture's
    empty(house)

    meet(
        pair, "make_log_partitions", "LOCK TABLE apikeys_requestlog IN SHARE UPDATE EXCLUSIVE MODE"
    )

    assert tables(house) == [table(-ahead) for ahead in range(8)]


def test_each_hold_goes_once(pair: Pair) -> None:
    holds(pair.house)

    meet(pair, "purge_holds", "LOCK TABLE apikeys_settledhold IN SHARE MODE")

    gone = [int(found[1]) for said in pair.said() if (found := PURGED.match(said))]
    assert len(gone) == MANY
    assert sum(gone) == HOLDS
    assert kept_holds(pair.house) == KEPT
