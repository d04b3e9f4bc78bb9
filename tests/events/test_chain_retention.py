"""Retention: exactly what is due goes, behind a checkpoint that the rest is proved from."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from events.chain import retention
from events.chain.retention import purge_events
from events.chain.sealer import Sealer
from events.chain.state import BrokenError
from events.chain.verify import Walk
from events.models import Event
from events.tasks import purge_events as task
from tests.events.chained import by_hand, execute, note, note_at, verify

pytestmark = pytest.mark.django_db
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
FORGED = """
INSERT INTO events_event (id, kind, actor, subject, request_id, occurred_at, details)
VALUES (gen_random_uuid(), 'mail:retried', 'x', %s, '', %s, %s)
"""


@pytest.fixture
def aged():
    """Three events over 499 days old, two of 399, one of today; all sealed. What the time is."""
    now = timezone.now()
    for number, age in enumerate((502 * DAY, 501 * DAY, 500 * DAY, 399 * DAY + SECOND, 399 * DAY)):
        note_at(number, now - age)
    note_at(5, now)
    assert Sealer().seal() == 6
    return now


def numbers():
    kept = Event.objects.filter(kind="mail:retried").order_by("seq")
    return [int(event.subject.partition(":")[2]) for event in kept]


def command(*words):
    out = StringIO()
    call_command("purge_events", *words, stdout=out)
    return out.getvalue()


def test_what_is_old_goes_and_the_rest_is_proved(aged):
    assert "Would purge 3 events." in command("--dry-run")
    assert numbers() == [0, 1, 2, 3, 4, 5]
    assert "Purged 3 events." in command()
    assert "Purged 0 events." in command()

    assert numbers() == [3, 4, 5]
    code, said = verify()
    assert code == 0
    assert "All 3 sealed events are whole" in said
    assert "Retention let go rows up to 3." in said
    (told,) = Event.objects.filter(kind="chain:checkpoint")
    assert '"rows": 3' in told.details
    assert told.actor == "command"


def test_the_task_does_the_same(aged, settings):
    settings.EVENT_RETENTION_DAYS = 398

    task()

    assert numbers() == [5]
    assert Event.objects.get(kind="chain:checkpoint").actor == "schedule"


@pytest.mark.parametrize(("ahead", "gone"), [(timedelta(0), 4), (timedelta(microseconds=1), 5)])
def test_the_bound_is_exact(aged, ahead, gone):
    """An event that is just EVENT_RETENTION_DAYS old stays."""
    assert purge_events(aged + DAY + ahead, 400, actor="test") == gone


def test_the_first_row_that_is_young_keeps_what_follows(aged):
    note_at(6, aged - 500 * DAY)
    Sealer().seal()

    assert purge_events(aged, 400, actor="test") == 3
    assert numbers() == [3, 4, 5, 6]
    assert purge_events(aged + 2 * DAY, 400, actor="test") == 2


def test_it_goes_by_batches_and_nothing_may_be_left_at_all(aged, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)

    assert purge_events(aged + 999 * DAY, 1, actor="test") == 6
    assert numbers() == []
    assert verify()[0] == 0
    note(9)
    Sealer().seal()
    assert verify()[0] == 0


def test_a_row_behind_the_checkpoint_that_is_cut_off_too_is_missing(aged):
    command()
    with by_hand():
        execute("DELETE FROM events_event WHERE seq = 4")

    assert verify() == (1, "Row 4 is missing.")


def test_nobody_else_makes_a_checkpoint(aged):
    command()
    with by_hand():
        execute("DELETE FROM events_event WHERE seq <= 5")
    execute("UPDATE events_chain SET base_seq = 5, base_hash = decode(repeat('00', 32), 'hex')")

    assert verify() == (1, "The chain's own row was altered.")


def test_a_broken_row_is_never_let_go(aged):
    with by_hand():
        execute("UPDATE events_event SET actor = 'x' WHERE seq = 2")

    with pytest.raises(CommandError, match="Row 2 is not as it was sealed"):
        command()

    assert numbers() == [1, 2, 3, 4, 5]
    assert "Row 2," in verify()[1]
    with pytest.raises(BrokenError):
        purge_events(aged, 400, actor="test")


def test_a_missing_row_stops_it_too(aged):
    with by_hand():
        execute("DELETE FROM events_event WHERE seq = 1")

    with pytest.raises(BrokenError):
        purge_events(aged, 400, actor="test")


def test_what_is_not_sealed_stays(aged):
    execute(FORGED, "mail:99", timezone.now() - 999 * DAY, None)

    command()

    assert numbers() == [3, 4, 5, 99]


def test_a_head_from_before_the_checkpoint_cannot_be_compared(aged):
    first = Event.objects.order_by("seq")[0]
    last = Event.objects.order_by("seq")[2]
    told = [f"{row.seq}:{bytes(row.hash).hex()}" for row in (first, last)]
    command()

    code, said = verify("--head", told[0])
    assert (code, said.startswith("Row 1 is no more")) == (2, True)
    assert verify("--head", told[1])[0] == 0  # it is the checkpoint
    assert verify("--head", f"3:{'ab' * 32}")[0] == 1


def test_retention_that_overtakes_the_verification_is_no_break(aged, monkeypatch):
    walk = Walk()
    purge_events(aged, 400, actor="test")

    report = walk.run()

    assert (report.rows, report.base.seq) == (3, 3)


@pytest.mark.parametrize("text", ["0", "3651", "-1", "x", "٣", "1e2"])
def test_days_are_days(text):
    with pytest.raises(CommandError, match="is not a number of days"):
        command(f"--days={text}")
