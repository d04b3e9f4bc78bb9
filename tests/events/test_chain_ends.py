"""The chain's own rows, and ends that were told: what rows alone cannot show, these do."""

import pytest

from events.chain.sealer import Sealer
from events.chain.state import BrokenError, read_ends, write_ends
from events.models import AuditKey, Chain
from momentry.common.crypto.generate import generate
from momentry.common.crypto.keyring import KeyRing, get_ring
from tests.events.chained import by_hand, execute, head, sealed, some, verify

pytestmark = pytest.mark.django_db


def test_a_cut_off_end_shows_in_a_head_that_was_told():
    """Whoever puts back rows and the chain's own row as they were shows nothing by themselves."""
    sealed(2)
    before = Chain.objects.values().get()
    some(3)
    Sealer().seal()
    told = head()
    with by_hand():
        execute("DELETE FROM events_event WHERE seq > 2")
    Chain.objects.update(**before)

    assert verify()[0] == 0
    assert verify("--head", told) == (
        1, "The chain ends at row 2: what came after it up to row 5 was cut off.",
    )  # fmt: skip


def test_another_history_shows_in_a_head_that_was_told():
    sealed(3)
    other = f"2:{'ab' * 32}"

    assert verify("--head", other) == (1, "Row 2 is another than the one that was told then.")
    assert verify("--head", head())[0] == 0
    assert verify("--head", head(), "--head", other)[0] == 1


def test_all_of_it_taken_away_shows_in_a_head_that_was_told():
    sealed(2)
    told = head()
    with by_hand():
        execute("DELETE FROM events_event")
    Chain.objects.all().delete()
    AuditKey.objects.all().delete()

    assert verify("--head", told) == (1, "There is no chain, and once it had come to row 2.")


@pytest.mark.parametrize("text", ["", "1", "0:" + "a" * 64, "1:" + "A" * 64, "1:" + "a" * 63, "x"])
def test_what_is_no_head_is_refused(text):
    code, said = verify(f"--head={text}")

    assert code == 1
    assert "is not ROW:HASH" in said


BENT = [
    ("UPDATE events_chain SET head_seq = head_seq - 1", "The chain's own row was altered."),
    ("UPDATE events_chain SET base_seq = 1", "The chain's own row was altered."),
    ("UPDATE events_chain SET mac = decode('00', 'hex')", "The chain's own row was altered."),
    ("DELETE FROM events_chain", "The chain's own row is missing."),
    ("DELETE FROM events_auditkey", "The audit key that sealed last is missing."),
    ("UPDATE events_auditkey SET key = 'x'", "An audit key was altered."),
    ("UPDATE events_auditkey SET since = 2", "The audit key of row 1 is missing."),
]


@pytest.mark.parametrize(("deed", "said"), BENT)
def test_the_chains_own_rows_are_guarded_too(deed, said):
    sealed(3)
    execute(deed)

    assert verify() == (1, said)


def test_a_ring_without_the_key_proves_nothing_and_says_so(monkeypatch):
    sealed(2)
    monkeypatch.setenv("ENCRYPTION_KEY", generate("encryption-key"))
    get_ring.cache_clear()
    try:
        code, said = verify()
    finally:
        monkeypatch.undo()
        get_ring.cache_clear()

    assert code == 2
    assert said.startswith("An audit key cannot be opened")


def test_an_end_is_written_only_behind_the_end_that_was_read():
    sealed(2)
    before = read_ends()
    some(1)
    Sealer().seal()

    with pytest.raises(BrokenError, match="changed meanwhile"):
        write_ends(before, before)
    assert verify()[0] == 0


def test_details_under_a_key_that_the_ring_lacks_hide_nothing():
    made = sealed(5)
    foreign = KeyRing.from_text(generate("encryption-key"))
    place = {"table": "events_event", "column": "details"}
    for row in made[1:3]:
        envelope = foreign.seal("{}", **place, row_id=row.pk)
        execute("UPDATE events_event SET details = %s WHERE id = %s", envelope, row.pk)

    code, said = verify()
    assert code == 2
    assert "All else is whole, but the details of 2 rows cannot be opened" in said
    assert f"first of row 2, event {made[1].pk}, " in said
    with by_hand():
        execute("UPDATE events_event SET actor = 'x' WHERE seq = 5")
    assert verify() == (1, f"Row 5, event {made[4].pk}, was altered.")
