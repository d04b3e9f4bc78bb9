"""The sealer as real processes that are killed in the middle: one whole chain, nothing left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from momentry.supervisor.places import ROOT
from tests.events.chained import some
from tests.gateway.conftest import Database, own_database
from tests.gateway.households import command
from tests.gateway.wire import within

pytestmark = pytest.mark.slow
PATIENCE = 60.0
KILLS = 4
SEALERS = """
import django, sys, time
django.setup()
from events.chain import sealer
sealer.BATCH = 50
mine = sealer.Sealer()
while True:
    try:
        mine.seal()
    except Exception as error:
        print(repr(error), flush=True)
        time.sleep(0.05)
"""
UNSEALED = "SELECT count(*)::int FROM events_event WHERE seq IS NULL"
WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%%SET seq%%'
"""
WHOLE = "SELECT count(*) = max(seq) AND min(seq) = 1 FROM events_event"
BROKEN = "SELECT count(*)::int FROM events_event WHERE kind = 'chain:broken'"


@pytest.fixture
def house(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "chainkills") as made:
        yield made


def environment(house: Database) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": house.url, "MOMENTRY_NO_VENV": "1",
            "DJANGO_SETTINGS_MODULE": "momentry.settings"}  # fmt: skip


def sealing(house: Database) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", SEALERS], cwd=ROOT, env=environment(house),
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def verified(house: Database, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "audit_verify", *words], cwd=ROOT, env=environment(house),
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def end(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_sealers_killed_between_writing_and_committing_leave_one_whole_chain(
    house: Database,
) -> None:
    """Each is held in the middle of its statement by a lock on one of its rows, then killed."""
    for _ in range(KILLS):
        with ExitStack() as stack:
            holder = stack.enter_context(psycopg.connect(house.conninfo))
            with house.rows():
                some(120)
            holder.execute("SELECT 1 FROM events_event ORDER BY id DESC LIMIT 100 FOR UPDATE")
            stack.callback(end, pair := [sealing(house) for _ in range(2)])
            assert within(PATIENCE, lambda: house.fetch(WAITING) != []), pair
    last = sealing(house)
    try:
        assert within(PATIENCE, lambda: house.fetch(UNSEALED) == [(0,)])
    finally:
        end([last])

    assert house.fetch(WHOLE) == [(True,)]
    assert house.fetch(BROKEN) == [(0,)]
    told = verified(house)
    assert (told.returncode, f"All {KILLS * 120} sealed events are whole" in told.stdout) == (
        0,
        True,
    )


def test_relays_seal_and_tell_the_end_and_audit_verify_is_a_command(
    house: Database, tmp_path: Path
) -> None:
    with house.rows():
        some(5)
    relays = [command("relay", tmp_path / name, {"DATABASE_URL": house.url}) for name in "ab"]
    try:
        told = "SELECT count(*)::int FROM events_event WHERE kind = 'chain:head'"
        assert within(PATIENCE, lambda: house.fetch(told) == [(1,)])
        assert within(PATIENCE, lambda: house.fetch(UNSEALED) == [(0,)])
    finally:
        for relay in relays:
            relay.kill()
            relay.wait()
    said = (tmp_path / "a").read_text() + (tmp_path / "b").read_text()
    (head,) = [
        line.partition("The chain of events ends at ")[2].partition('"')[0]
        for line in said.splitlines()
        if "The chain of events ends at " in line
    ]

    assert verified(house, "--head", head).returncode == 0
    house.execute("ALTER TABLE events_event DISABLE TRIGGER USER")
    house.execute("UPDATE events_event SET actor = 'x' WHERE seq = 2")
    told_then = verified(house, "--head", head)
    assert told_then.returncode == 1
    assert "Row 2, event" in told_then.stderr
