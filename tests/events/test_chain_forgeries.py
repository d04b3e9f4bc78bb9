"""What is put where the walk does not come by, or claims what cannot be checked, is told too."""

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from events.chain import mending, rows
from events.chain.retention import purge_events
from events.chain.sealer import Sealer
from events.chain.state import BrokenError
from events.models import Chain, Event
from tests.events.chained import by_hand, execute, note, note_at, sealed, some, verify

pytestmark = pytest.mark.django_db
FORGED = """
INSERT INTO events_event (id, kind, actor, subject, request_id, occurred_at, proof, seq, hash,
                          details_mac)
VALUES ({id}, 'mail:retried', 'x', 'mail:99', '', {at}, %s, %s, %s, %s)
"""
HASH = b"\x01" * 32
UNKNOWN = "deadbeef.x"
NO_UNIQUE = "ALTER TABLE events_event DROP CONSTRAINT events_event_seq_key"


def forge(seq=None, *, proof="", at="now()", ident="gen_random_uuid()"):
    values = (proof, seq, HASH, b"") if seq is not None else (proof, None, None, None)
    execute(FORGED.format(id=ident, at=at), *values)
    return Event.objects.values_list("pk", flat=True).get(subject="mail:99")


@pytest.fixture
def purged():
    """Three went, two are left, and what told of the three."""
    now = timezone.now()
    for number in range(3):
        note_at(number, now - timedelta(days=500))
    some(2)
    Sealer().seal()
    assert purge_events(now, 400, actor="test") == 3
    Sealer().seal()


def alarms():
    return [event.details for event in Event.objects.filter(kind="chain:broken").order_by("id")]


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_a_row_that_claims_a_place_that_was_let_go_is_named(purged, seq):
    assert verify()[0] == 0
    forged = forge(seq)

    assert verify() == (
        1, f"Row {seq}, event {forged}, was not sealed by us: no row is left up to 3.",
    )  # fmt: skip


@pytest.mark.parametrize("seq", [0, -1])
def test_so_is_one_before_the_first_place_of_all(seq):
    sealed(2)
    with by_hand():
        execute("ALTER TABLE events_event DROP CONSTRAINT event_sealed_whole")
    forged = forge(seq)

    assert verify() == (
        1, f"Row {seq}, event {forged}, was not sealed by us: no row is left up to 0.",
    )  # fmt: skip


def test_a_second_row_of_a_place_is_named():
    sealed(5)
    execute(NO_UNIQUE)
    forged = forge(3)

    code, said = verify()

    assert code == 1
    assert str(forged) in said
    assert said.startswith("Row 3")


def test_so_is_one_at_the_end_of_a_batch(monkeypatch):
    monkeypatch.setattr(rows, "BATCH", 3)
    sealed(5)
    execute(NO_UNIQUE)
    forged = forge(3)

    code, said = verify()

    assert code == 1
    assert str(forged) in said


def test_a_second_row_of_a_place_is_not_let_go():
    now = timezone.now()
    for number in range(3):
        note_at(number, now - timedelta(days=500))
    Sealer().seal()
    execute(NO_UNIQUE)
    forged = forge(2, at="now() - interval '500 days'")

    with pytest.raises(BrokenError):
        purge_events(now, 400, actor="test")

    assert Event.objects.filter(pk=forged).exists()


@pytest.mark.parametrize("column", ["hash", "details_mac"])
def test_a_row_without_its_hash_is_named(column):
    made = [note(number) for number in range(5)]  # without details: their MAC is empty
    Sealer().seal()
    with by_hand():
        execute("ALTER TABLE events_event DROP CONSTRAINT event_sealed_whole")
        execute(f"UPDATE events_event SET {column} = NULL WHERE seq = 3")

    assert verify() == (1, f"Row 3, event {made[2].pk}, was altered.")


def test_a_last_row_without_its_hash_is_told():
    sealed(2)
    with by_hand():
        execute("ALTER TABLE events_event DROP CONSTRAINT event_sealed_whole")
        execute("UPDATE events_event SET hash = NULL WHERE seq = 2")

    Sealer().seal()

    assert "Row 2, its last, is missing or altered." in alarms()[0]


@pytest.mark.parametrize("at", ["'infinity'", "'-infinity'", "'4000-01-01 BC'"])
def test_a_time_that_is_none_keeps_no_other_event_from_being_sealed(at):
    forged = forge(at=at)
    note(1)

    assert Sealer().seal() == 1
    assert str(forged) in alarms()[0]
    assert f"{forged} cannot be proved" in verify()[1]


def test_an_event_with_the_least_of_ids_is_looked_at_too():
    sealed(1)
    forged = forge(ident="'00000000-0000-0000-0000-000000000000'")

    Sealer().seal()

    assert str(forged) in alarms()[0]


def test_a_proof_under_an_unknown_key_is_waited_for():
    sealed(2)
    forge(proof=UNKNOWN)

    assert Sealer().seal() == 0
    assert verify() == (2, "All else is whole, but 1 wait for a key that the ring here lacks.")
    assert mending.accept_refused(actor="test") == []
    assert alarms() == []


@pytest.mark.parametrize("at", ["now() - interval '11 minutes'", "now() + interval '2 minutes'"])
def test_but_not_for_long(at):
    sealed(2)
    forged = forge(proof=UNKNOWN, at=at)

    sealer = Sealer()
    assert (sealer.seal(), sealer.seal(), sealer.seal()) == (0, 1, 0)

    (told,) = alarms()
    assert str(forged) in told
    code, said = verify()
    assert (code, f"{forged} cannot be proved" in said) == (1, True)
    assert mending.accept_refused(actor="test") == [forged]
    assert verify()[0] == 0


def test_details_under_an_unknown_key_are_erased_only_where_that_is_said():
    sealed(2)
    forged = forge(at="now() - interval '11 minutes'")
    with by_hand():
        execute("UPDATE events_event SET details = 'm1.deadbeef.YQ' WHERE id = %s", forged)

    assert mending.accept_refused(actor="test") == []
    assert mending.accept_refused(actor="test", with_lost_keys=True) == [forged]

    assert Event.objects.get(pk=forged).details is None
    Sealer().seal()
    assert verify()[0] == 0


def test_a_rollback_that_grew_again_is_told_by_who_saw_more():
    mine, other = Sealer(), Sealer()
    some(3)
    other.seal()
    before = Chain.objects.values().get()
    some(2)
    mine.seal()
    with by_hand():
        execute("DELETE FROM events_event WHERE seq > 3")
    Chain.objects.update(**before)
    some(4)
    assert other.seal() == 4

    for _ in range(3):
        mine.seal()

    (told,) = alarms()
    assert "It had come to 5:" in told
    assert "and row 5 is another now." in told


def test_a_purge_and_other_sealers_are_no_rollback(purged):
    mine, other = Sealer(), Sealer()
    mine.seal()
    for number in range(3):
        note(number)
        other.seal()
        mine.seal()
    for days in (2, 4):  # the second time it comes behind what mine saw
        assert purge_events(timezone.now() + timedelta(days=days), 1, actor="test") > 0
        note(1)
        other.seal()
    mine.seal()

    assert alarms() == []


def test_a_place_is_claimed_once(purged):
    with pytest.raises(IntegrityError):
        forge(5)
