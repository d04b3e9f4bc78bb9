"""What a person decides of the chain: another key, what proves nothing, a new beginning."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from events.chain import mending, retention, state
from events.chain.retention import count_due, purge_events
from events.chain.sealer import Sealer
from events.chain.state import BrokenError
from events.models import AuditKey, Chain, Event
from tests.events.chained import by_hand, execute, note, note_at, sealed, verify

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
FORGED = """
INSERT INTO events_event (id, kind, actor, subject, request_id, occurred_at, details)
VALUES (gen_random_uuid(), 'mail:retried', 'x', %s, '', %s, %s)
"""


def test_the_audit_key_changes_at_a_checkpoint_and_both_parts_are_proved():
    sealed(3)
    head = mending.change_key(actor="test")
    mending.change_key(actor="test")  # nothing was sealed with that one yet
    note(3)
    Sealer().seal()
    mending.change_key(actor="test")
    note(4)
    Sealer().seal()

    assert head.seq == 3
    assert [key.since for key in AuditKey.objects.all()] == [1, 4, 6]
    assert len({key.key for key in AuditKey.objects.all()}) == 3
    assert verify()[0] == 0
    AuditKey.objects.filter(since=4).update(since=5)
    assert verify() == (1, verify()[1])
    assert verify()[1].startswith("Row 4, event")


def test_what_proves_nothing_is_sealed_when_a_person_says_so():
    sealed(2)
    execute(FORGED, "mail:9", timezone.now(), "junk")
    assert verify()[0] == 1
    out = StringIO()

    call_command("audit_chain", "accept", stdout=out)
    call_command("audit_chain", "accept", stdout=StringIO())

    assert "Sealed 1 events that proved nothing." in out.getvalue()
    assert Event.objects.get(subject="mail:9").seq == 3
    assert Event.objects.filter(kind="chain:mended").count() == 1
    assert verify()[0] == 0


@pytest.mark.parametrize(
    "lost", ["DELETE FROM events_chain", "UPDATE events_auditkey SET key = 'x'"]
)
def test_a_chain_that_lost_its_own_row_or_key_begins_anew_when_a_person_says_so(lost):
    made = sealed(3)
    execute(lost)
    sealer = Sealer()
    for _ in range(2):
        with pytest.raises(BrokenError):
            sealer.seal()
    assert Event.objects.filter(kind="chain:broken").count() == 1

    call_command("audit_chain", "restart", stdout=StringIO())
    note(7)
    assert Sealer().seal() == 3

    assert Chain.objects.get().base_seq == 3
    first = f"the first of them event {made[0].pk}"
    code, said = verify()
    assert code == 2
    assert said.endswith(f"but 3 rows up to 3, {first}, are from before the chain was begun anew.")


def test_a_key_that_changes_while_ends_are_read_is_no_break(monkeypatch):
    sealed(3)
    opened, changed = state.opened, []

    def slowly(*row):
        if not changed:
            changed.append(True)
            mending.change_key(actor="test")
        return opened(*row)

    monkeypatch.setattr(state, "opened", slowly)

    assert verify()[0] == 0
    assert AuditKey.objects.count() == 2


@pytest.fixture
def restarted():
    """Rows 1 to 3 of three ages from before a restart, and what came after. What the time is."""
    now = timezone.now()
    for number, age in enumerate((502 * DAY, 450 * DAY, 10 * DAY)):
        note_at(number, now - age)
    Sealer().seal()
    execute("DELETE FROM events_chain")
    mending.restart(actor="test")
    note(7)
    Sealer().seal()
    return now


def left():
    return sorted(Event.objects.filter(seq__lte=3).values_list("seq", flat=True))


def test_what_is_from_before_a_restart_goes_by_its_age(restarted, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 1)
    assert count_due(restarted, 400) == 2

    assert purge_events(restarted, 400, actor="test") == 2

    assert left() == [3]
    code, said = verify()
    assert code == 2
    assert "1 rows up to 3, the first of them event" in said
    assert count_due(restarted, 400) == purge_events(restarted, 400, actor="test") == 0


def test_when_all_of_it_went_none_comes_back(restarted):
    assert purge_events(restarted, 5, actor="test") == 3
    Sealer().seal()
    assert verify()[0] == 0
    told = Event.objects.filter(kind="chain:checkpoint").values_list("pk", flat=True)
    assert len(told) == 1

    execute(FORGED, "mail:9", restarted, None)
    with by_hand():
        execute(
            "UPDATE events_event SET seq = 2, hash = decode('00', 'hex'), details_mac = ''"
            " WHERE subject = 'mail:9'"
        )

    code, said = verify()
    assert (code, said.startswith("Row 2, event ")) == (1, True)


def test_the_chain_itself_is_let_go_as_before(restarted):
    purge_events(restarted + 2 * DAY, 1, actor="test")

    assert left() == []
    assert Event.objects.filter(seq__gt=3).count() == 0
    Sealer().seal()
    assert verify()[0] == 0


def test_nobody_else_says_that_there_was_a_restart():
    sealed(2)
    execute("UPDATE events_chain SET lost_seq = 1")

    assert verify() == (1, "The chain's own row was altered.")
    with pytest.raises(BrokenError):
        purge_events(timezone.now(), 400, actor="test")
