"""OPS-06: events that were there before the chain are sealed like others; those that were altered
before do not stop the upgrade."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from events.chain.sealer import Sealer
from events.models import Event
from momentry.common.ids import uuid7
from momentry.management.commands.prepare import advisory_lock
from tests.events.chained import execute, note, verify
from tests.gateway.conftest import Database, own_database
from tests.gateway.wire import within

pytestmark = pytest.mark.slow
PATIENCE = 30.0
BUILDING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%%'
   AND wait_event_type = 'Lock'
"""
ASKING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'SELECT pg%%lock(%%'
"""
OLD = """
INSERT INTO events_event (id, kind, actor, subject, request_id, occurred_at, details)
VALUES (%s, 'mail:retried', 'relay', %s, '', now(), %s)
"""


@pytest.fixture
def house(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "chainupgrade") as made, made.rows():
        yield made


def test_events_from_before_the_chain_are_sealed(house: Database) -> None:
    call_command("migrate", "events", "0001", verbosity=0)
    field = Event._meta.get_field("details")
    for number in range(5):
        pk = uuid7()
        envelope = str(field.seal(pk, '{"a": 1}')) if number % 2 else None
        execute(OLD, pk, f"mail:{number}", envelope)
    execute(OLD, uuid7(), "mail:99", "junk")

    call_command("migrate", "events", verbosity=0)
    note(5)

    assert Sealer().seal() == 6
    assert Event.objects.get(subject="mail:99").seq is None
    code, said = verify()
    assert (code, "1 events cannot be proved" in said) == (1, True)


def test_processes_of_the_version_before_still_record(house: Database) -> None:
    """They know no proof: what they record is kept, and named until somebody accepts it."""
    execute(OLD, uuid7(), "mail:1", None)
    note(2)

    assert Sealer().seal() == 1
    assert verify()[0] == 1
    call_command("audit_chain", "accept", verbosity=0)
    Sealer().seal()
    assert verify()[0] == 0


def test_who_records_does_not_wait_for_the_upgrade(house: Database) -> None:
    """One transaction that recorded stays open: what has to wait for it is the migration alone."""
    call_command("migrate", "events", "0002", verbosity=0)

    def upgrade() -> None:
        call_command("migrate", "events", verbosity=0)
        connection.close()

    thread = threading.Thread(target=upgrade)
    with psycopg.connect(house.conninfo) as held, psycopg.connect(house.conninfo) as other:
        held.execute(OLD, [uuid7(), "mail:1", None])
        thread.start()
        assert within(PATIENCE, lambda: house.fetch(BUILDING) != [])
        other.execute("SET lock_timeout = '5s'")
        other.execute(OLD, [uuid7(), "mail:2", None])
        other.commit()
        held.commit()
    thread.join(PATIENCE)

    assert Sealer().seal() == 2  # they were recorded before the last of the proofs was made
    assert verify()[0] == 0


def test_who_waits_for_its_turn_to_migrate_does_not_stop_who_migrates(house: Database) -> None:
    call_command("migrate", "events", "0002", verbosity=0)
    got: list[bool] = []

    def wait() -> None:
        with advisory_lock():
            got.append(True)
        connection.close()

    thread = threading.Thread(target=wait)
    with advisory_lock():
        thread.start()
        assert within(PATIENCE, lambda: house.fetch(ASKING) != [])
        call_command("migrate", "events", verbosity=0)
        assert got == []
    thread.join(PATIENCE)

    assert got == [True]


def test_an_upgrade_that_was_killed_is_run_again(house: Database) -> None:
    call_command("migrate", "events", "0002", verbosity=0)
    execute(OLD, uuid7(), "mail:1", None)
    for half in ("event_time ON events_event (id)", "events_event_seq_key ON events_event (id)"):
        execute(f"CREATE INDEX {half}")

    call_command("migrate", "events", "0003", verbosity=0)
    execute("DELETE FROM django_migrations WHERE app = 'events' AND name = '0003_chain_kept'")
    call_command("migrate", "events", verbosity=0)

    (definition,) = house.fetch("SELECT indexdef FROM pg_indexes WHERE indexname = 'event_time'")
    assert str(definition[0]).endswith("(occurred_at DESC, id DESC)")
    assert Sealer().seal() == 1
    assert verify()[0] == 0
