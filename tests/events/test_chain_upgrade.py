"""OPS-06: events that were there before the chain are sealed like others; those that were altered
before do not stop the upgrade."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command

from events.chain.sealer import Sealer
from events.models import Event
from momentry.common.ids import uuid7
from tests.events.chained import execute, note, verify
from tests.gateway.conftest import Database, own_database

pytestmark = pytest.mark.slow
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
