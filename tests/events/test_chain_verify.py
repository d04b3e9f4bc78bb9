"""ENC-07 for events: who writes the database without the ring forges none, changes none, takes none
away and moves none, and audit_verify names the first."""

import re

import pytest

from events.chain import rows
from events.chain.erasing import erase
from events.chain.sealer import Sealer
from events.models import Event
from tests.events.chained import by_hand, execute, head, note, sealed, verify

pytestmark = pytest.mark.django_db

ALTERED = [
    ("kind = 'mail:other'", "was altered"),
    ("actor = 'staff:2'", "was altered"),
    ("subject = 'mail:99'", "was altered"),
    ("request_id = 'x'", "was altered"),
    ("occurred_at = occurred_at + interval '1 microsecond'", "was altered"),
    ("hash = decode(repeat('00', 32), 'hex')", "was altered"),
    ("details_mac = ''", "was altered"),
    ("details = 'plain'", "details of row 3, .* were altered"),
    ("details = (SELECT details FROM events_event WHERE seq = 2)", "details of row 3, .* altered"),
    ("id = '01999999-9999-7999-8999-999999999999'", "was altered"),
    ("kind = 'mail', actor = ':retriedstaff:1'", "was altered"),
]


def test_a_chain_that_nobody_touched_is_whole():
    sealed(5)
    note(5)

    code, said = verify("--head", head())

    assert code == 0
    assert f"All 5 sealed events are whole; the chain ends at {head()}." in said
    assert "1 wait to be sealed." in said


def test_before_the_first_sealing_nothing_can_be_said():
    assert verify() == (2, "No event was sealed yet: has a relay run?")


@pytest.mark.parametrize(("change", "said"), ALTERED)
def test_an_altered_row_is_named(change, said):
    row = sealed(5)[2]
    with by_hand():
        assert execute(f"UPDATE events_event SET {change} WHERE seq = 3") == 1

    code, text = verify()

    assert code == 1
    assert re.search(said, text)
    assert "ow 3, event" in text
    assert row.pk.hex in text.replace("-", "") or change.startswith("id")


def test_of_several_the_first_is_named():
    sealed(5)
    with by_hand():
        execute("UPDATE events_event SET actor = 'x' WHERE seq IN (2, 4)")

    assert "Row 2," in verify()[1]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("seq = 1", "Row 1 is missing."),
        ("seq IN (2, 3)", "Rows 2 to 3 are missing."),
        ("seq > 3", "Rows 4 to 5 are missing."),
        ("seq > 0", "Rows 1 to 5 are missing."),
    ],
)
def test_rows_that_were_taken_away_are_named(gone, said):
    sealed(5)
    with by_hand():
        execute(f"DELETE FROM events_event WHERE {gone}")

    assert verify() == (1, said)


def test_a_missing_row_is_not_hidden_by_closing_the_gap():
    sealed(5)
    with by_hand():
        execute("DELETE FROM events_event WHERE seq = 2")
        execute("UPDATE events_event SET seq = 100 + seq WHERE seq > 2")
        execute("UPDATE events_event SET seq = seq - 101 WHERE seq > 100")

    code, said = verify()

    assert code == 1
    assert "Row 2, event" in said


SWAP_CONTENT = """
UPDATE events_event AS e SET {columns} FROM events_event AS o
 WHERE (e.seq, o.seq) IN ((4, 5), (5, 4))
"""


def test_rows_that_changed_places_are_named():
    made = sealed(6)
    with by_hand():
        execute("UPDATE events_event SET seq = 100 + seq WHERE seq IN (4, 5)")
        execute("UPDATE events_event SET seq = 109 - seq WHERE seq IN (104, 105)")

    code, said = verify()

    assert code == 1
    assert said == (
        f"Row 4 was moved: event {made[3].pk} belongs there and stands at 5;"
        f" event {made[4].pk} is in its place."
    )


def test_rows_that_changed_contents_are_named():
    sealed(6)
    columns = ["kind", "actor", "subject", "request_id", "occurred_at", "details_mac"]
    changes = ", ".join(f"{name} = o.{name}" for name in columns)
    with by_hand():
        execute(SWAP_CONTENT.format(columns=changes))

    code, said = verify()

    assert code == 1
    assert said.startswith("Row 4, event")  # the id stayed, and is signed too


@pytest.mark.parametrize("to", [9, 1000])
def test_a_row_that_was_put_elsewhere_is_named(to):
    made = sealed(5)
    with by_hand():
        execute("UPDATE events_event SET seq = %s WHERE seq = 2", to)

    assert verify() == (1, f"Row 2 was moved: event {made[1].pk} belongs there and stands at {to}.")


def test_a_forged_row_behind_the_end_is_named():
    made = sealed(3)
    with by_hand():
        execute(
            "INSERT INTO events_event (id, kind, actor, subject, request_id, occurred_at, proof,"
            " seq, hash, details_mac) SELECT gen_random_uuid(), kind, actor, subject, '', now(),"
            " '', 4, hash, details_mac FROM events_event WHERE id = %s",
            made[0].pk,
        )

    code, said = verify()

    assert code == 1
    assert said.startswith("Row 4, event ")
    assert said.endswith("was not sealed by us.")


FORGED = """
INSERT INTO events_event (id, kind, actor, subject, request_id, occurred_at, proof, details)
SELECT gen_random_uuid(), kind, actor, subject, request_id, occurred_at, {proof}, {details}
  FROM events_event WHERE id = %s
"""


@pytest.mark.parametrize("proof", ["''", "proof", "'x'", "'.x'", "left(proof, -1) || 'A'"])
def test_a_forged_event_is_never_sealed(proof, caplog):
    true = note(1)
    execute(FORGED.format(proof=proof, details="NULL"), true.pk)
    (forged,) = Event.objects.exclude(pk=true.pk)

    sealer = Sealer()
    assert (sealer.seal(), sealer.seal()) == (1, 1)  # the true one, then what was said of the other

    assert Event.objects.get(pk=forged.pk).seq is None
    assert verify() == (1, verify()[1])
    assert f"{forged.pk} cannot be proved" in verify()[1]
    (told,) = Event.objects.filter(kind="chain:broken")
    assert str(forged.pk) in told.details


@pytest.mark.parametrize(
    "change",
    ["kind = 'x'", "actor = 'x'", "subject = 'x'", "occurred_at = now()", "details = NULL"],
)
def test_an_event_that_is_altered_before_it_is_sealed_is_not_sealed(change):
    note(1, reason="theft")
    with by_hand():
        execute(f"UPDATE events_event SET {change}")

    assert Sealer().seal() == 0
    assert verify()[0] == 1


def test_a_sealed_row_that_is_unsealed_and_altered_is_not_sealed_again():
    row = sealed(3)[2]
    with by_hand():
        execute(
            "UPDATE events_event SET seq = NULL, hash = NULL, details_mac = NULL, actor = 'x'"
            " WHERE seq = 3"
        )
    Sealer().seal()

    assert verify() == (1, "Row 3 is missing.")
    assert Event.objects.get(pk=row.pk).seq is None


def test_the_details_may_be_sealed_anew_or_erased():
    made = sealed(3)
    field = Event._meta.get_field("details")
    for row in made[:2]:
        execute("UPDATE events_event SET details = %s WHERE id = %s",
                str(field.seal(row.pk, row.details)), row.pk)  # fmt: skip
    assert erase([made[2].pk]) == 1

    code, said = verify()

    assert code == 0
    assert "The details of 1 were erased." in said


def test_it_reads_a_batch_at_a_time(monkeypatch):
    sealed(7)
    monkeypatch.setattr(rows, "BATCH", 2)
    with by_hand():
        execute("UPDATE events_event SET actor = 'x' WHERE seq = 6")

    assert "Row 6," in verify()[1]


def test_only_new_forgeries_are_told():
    sealer = Sealer()
    for number in range(3):
        true = note(number)
        execute(FORGED.format(proof="''", details="NULL"), true.pk)
        sealer.seal()
        sealer.seal()

    forged = Event.objects.filter(seq=None).values_list("pk", flat=True)
    told = [event.details for event in Event.objects.filter(kind="chain:broken")]
    assert len(told) == 3
    assert [sum(str(pk) in text for pk in forged) for text in told] == [1, 1, 1]
