"""Events, sealed and not, and whoever writes the database by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connection, transaction

from events.chain.proofs import prove
from events.chain.rows import fact_of
from events.chain.sealer import Sealer
from events.kinds import Kind
from events.models import Chain, Event
from events.services import record

KIND = Kind.MAIL_RETRIED
ACTOR = "staff:1"


def note(number: int = 0, **details: Any) -> Event:
    with transaction.atomic():
        return record(KIND, actor=ACTOR, subject=f"mail:{number}", **details)


def note_at(number: int, at: datetime) -> Event:
    """As record() does it, at another time."""
    event = Event(kind=KIND, actor=ACTOR, subject=f"mail:{number}", occurred_at=at, details="{}")
    event.proof = prove(fact_of(event), "{}")
    event.save(force_insert=True)
    return event


def some(count: int) -> list[Event]:
    """In the order of their places once they are sealed; each with details of its own."""
    return [note(number, note=f"number {number}") for number in range(count)]


def sealed(count: int) -> list[Event]:
    """These and nothing else, sealed."""
    made = some(count)
    assert Sealer().seal() == count
    return made


def execute(statement: str, *values: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


@contextmanager
def by_hand() -> Iterator[None]:
    """As the table's owner, who can take the triggers away."""
    execute("ALTER TABLE events_event DISABLE TRIGGER USER")
    yield
    execute("ALTER TABLE events_event ENABLE TRIGGER USER")


def verify(*words: str) -> tuple[int, str]:
    """The exit code, and all that is said."""
    out = StringIO()
    try:
        call_command("audit_verify", *words, stdout=out, stderr=StringIO())
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def places() -> list[tuple[int | None, str]]:
    """Every event by its place, those without one last."""
    return list(Event.objects.order_by("seq", "id").values_list("seq", "subject"))


def head() -> str:
    """As the log tells it."""
    chain = Chain.objects.get()
    return f"{chain.head_seq}:{bytes(chain.head_hash).hex()}"
