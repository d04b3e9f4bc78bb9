"""Details may be erased by us alone, and their events are proved as before."""

import os

import pytest
from django.core.management import call_command
from django.db import transaction

from events.chain import rows
from events.chain.erasing import erase
from events.chain.sealer import Sealer
from events.kinds import Kind
from events.models import Event
from events.services import forget_details, record
from momentry.common.crypto.generate import generate
from momentry.common.crypto.keyring import KeyRing, get_ring
from tests.events.chained import by_hand, execute, sealed, some, verify

pytestmark = pytest.mark.django_db
FIELD = Event._meta.get_field("details")
MARK = {"table": "events_event", "column": "erasure"}


@pytest.fixture
def ring(monkeypatch):
    """Sets the ring of this process."""

    def use(text):
        monkeypatch.setenv("ENCRYPTION_KEY", text)
        get_ring.cache_clear()

    yield use
    monkeypatch.undo()
    get_ring.cache_clear()


def suspended():
    with transaction.atomic():
        return record(
            Kind.MEMBER_SUSPENDED, actor="test", subject="member:a", reason="quarrelled",
        )  # fmt: skip


def taken_away(row):
    return (1, f"The details of row {row.seq}, event {row.pk}, were taken away, not by us.")


def test_an_event_that_is_erased_before_it_is_sealed_is_sealed():
    event = suspended()

    assert forget_details(["member:a"]) == 1

    assert Sealer().seal() == 1
    assert verify()[0] == 0
    assert Event.objects.get(pk=event.pk).seq == 1
    assert not Event.objects.filter(kind="chain:broken").exists()


def test_one_that_proved_nothing_does_not_do_so_erased():
    event = suspended()
    with by_hand():
        execute("UPDATE events_event SET actor = 'x'")

    assert forget_details(["member:a"]) == 1

    assert Sealer().seal() == 0
    assert f"{event.pk} cannot be proved" in verify()[1]


def test_one_that_is_erased_while_it_is_sealed_is_whole(monkeypatch):
    """Judged with its details, written without."""
    suspended()
    write = rows.write

    def late(links):
        assert forget_details(["member:a"]) == 1
        return write(links)

    monkeypatch.setattr(rows, "write", late)

    assert Sealer().seal() == 1
    code, said = verify()
    assert (code, "The details of 1 were erased." in said) == (0, True)


def test_details_that_somebody_else_takes_away_are_missed():
    sealed(3)
    row = Event.objects.get(seq=2)
    with by_hand():
        execute("UPDATE events_event SET details = NULL WHERE seq = 2")

    assert verify() == taken_away(row)


def forgeries(row, other):
    foreign = KeyRing.from_text(generate("encryption-key"))
    mark = get_ring().seal("", **MARK, row_id=row.pk)
    return {
        "text": "x",
        "empty": "",
        "another row's": get_ring().seal("", **MARK, row_id=other.pk),
        "its own details": rows.fetch("SELECT details FROM events_event WHERE id = %s", row.pk)[0][
            0
        ],
        "another ring's": foreign.seal("", **MARK, row_id=row.pk).replace(
            foreign.newest, get_ring().newest
        ),
        "altered": mark[:-4] + "AAAA",
    }


@pytest.mark.parametrize(
    "which", ["text", "empty", "another row's", "its own details", "another ring's", "altered"]
)
def test_a_mark_that_is_not_ours_erases_nothing(which):
    sealed(3)
    row, other = Event.objects.get(seq=2), Event.objects.get(seq=3)
    mark = forgeries(row, other)[which]
    execute("UPDATE events_event SET details = NULL, erasure = %s WHERE seq = 2", mark)

    assert verify() == taken_away(row)


def test_a_mark_follows_the_rings_rotation(ring):
    made = sealed(2)
    erase([made[0].pk])
    old, new = os.environ["ENCRYPTION_KEY"], generate("encryption-key")

    ring(new)
    assert verify()[0] == 2  # not even the audit key opens
    ring(f"{new},{old}")
    call_command("rotate_encryption", verbosity=0)
    ring(new)

    code, said = verify()
    assert (code, "The details of 1 were erased." in said) == (0, True)


def test_a_mark_under_a_key_that_the_ring_lacks_is_no_break():
    made = sealed(2)
    foreign = KeyRing.from_text(generate("encryption-key"))
    execute("UPDATE events_event SET details = NULL, erasure = %s WHERE id = %s",
            foreign.seal("", **MARK, row_id=made[0].pk), made[0].pk)  # fmt: skip

    code, said = verify()

    assert code == 2
    assert "the details of 1 rows cannot be opened, first of row 1" in said


def test_other_details_of_the_same_row_are_named_though_they_open():
    """Sealed under the ring for this very row: only what stands for them in the chain tells."""
    made = sealed(3)
    execute("UPDATE events_event SET details = %s WHERE seq = 2",
            str(FIELD.seal(made[1].pk, '{"note": "another"}')))  # fmt: skip

    assert verify() == (1, f"The details of row 2, event {made[1].pk}, were altered.")


def test_it_goes_by_batches(monkeypatch):
    monkeypatch.setattr("events.chain.erasing.BATCH", 2)
    made = some(5)

    assert erase([each.pk for each in made]) == 5
    assert erase([each.pk for each in made]) == 0
    assert Sealer().seal() == 5
    assert verify()[0] == 0
