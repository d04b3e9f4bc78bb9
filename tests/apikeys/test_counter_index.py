"""The index that notices look up counters by comes while requests are counted, whatever happened
to an attempt before, and however many machines upgrade at once."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command

from tests.gateway.conftest import Database, own_database
from tests.gateway.households import command
from tests.gateway.wire import within

pytestmark = pytest.mark.slow
BEFORE = "0018"
COUNT = """
INSERT INTO apikeys_counter (subject, metric, period, period_start, used)
VALUES (%s, 'requests', 'lifetime', now(), 1)
"""
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('counter_of_period')"
BUILDING = "SELECT count(*)::int FROM pg_stat_progress_create_index WHERE datname = %s"
AT_WORK = """
SELECT count(DISTINCT pid)::int FROM pg_stat_activity
 WHERE datname = %s AND query LIKE '%%advisory_lock%%' AND pid <> pg_backend_pid()
"""


@pytest.fixture
def older(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "unindexed") as made:
        with made.rows():
            call_command("migrate", "apikeys", BEFORE, verbosity=0)
        assert made.fetch(VALID) == []
        yield made


def test_requests_are_counted_while_two_machines_upgrade(older: Database, tmp_path: Path) -> None:
    log = tmp_path / "prepare.log"
    with psycopg.connect(older.conninfo) as long:
        long.execute(COUNT, ["key:long"])  # a transaction that the building has to wait for
        machines = [command("prepare", log, {"DATABASE_URL": older.url}) for _ in range(2)]
        assert within(60, lambda: older.fetch(BUILDING, older.name) == [(1,)]), log.read_text()
        assert within(60, lambda: older.fetch(AT_WORK, older.name) == [(1,)]), log.read_text()
        with psycopg.connect(older.conninfo, options="-c lock_timeout=2s") as short:
            short.execute(COUNT, ["key:short"])

    assert [machine.wait(60) for machine in machines] == [0, 0], log.read_text()
    assert older.fetch(VALID) == [(True,)]


def test_what_an_interrupted_upgrade_left_is_built_anew(older: Database) -> None:
    older.execute("CREATE INDEX counter_of_period ON apikeys_counter (period_start)")
    older.execute("UPDATE pg_index SET indisvalid = false"
                  " WHERE indexrelid = to_regclass('counter_of_period')")  # fmt: skip

    with older.rows():
        call_command("migrate", "apikeys", verbosity=0)

    assert older.fetch(VALID) == [(True,)]
