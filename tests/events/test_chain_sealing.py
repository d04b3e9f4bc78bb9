"""The sealer: every committed event once, in one unbroken order; what proves nothing, never."""

import os
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from events.chain import rows
from events.chain.erasing import erase
from events.chain.head import tell_head
from events.chain.sealer import Sealer
from events.models import AuditKey, Chain, Event
from momentry.common.crypto.generate import generate
from momentry.common.crypto.keyring import get_ring
from tests.events.chained import by_hand, execute, note, places, sealed, some, verify

pytestmark = pytest.mark.django_db


def test_events_get_their_places_in_the_order_of_their_making():
    some(4)

    assert Sealer().seal() == 4
    assert places() == [(number + 1, f"mail:{number}") for number in range(4)]
    assert Sealer().seal() == 0


def test_an_event_without_details_and_one_with_strange_ones_are_sealed():
    note(1)
    note(2, text="é☃\x00\n'\";--", none=None, nested={"a": [1, 2]})

    assert Sealer().seal() == 2
    assert verify()[0] == 0


def test_a_batch_is_a_transaction_and_all_are_taken(monkeypatch):
    monkeypatch.setattr("events.chain.sealer.BATCH", 3)
    some(8)

    assert Sealer().seal() == 8
    assert verify()[0] == 0


def test_the_database_refuses_changes_of_what_was_recorded():
    sealed(2)
    note(3, reason="x")
    refused = [
        "UPDATE events_event SET actor = 'x' WHERE seq = 1",
        "UPDATE events_event SET occurred_at = now() WHERE seq IS NULL",
        "UPDATE events_event SET seq = 9 WHERE seq = 1",
        "UPDATE events_event SET seq = NULL, hash = NULL, details_mac = NULL WHERE seq = 1",
        "UPDATE events_event SET hash = decode(repeat('00', 32), 'hex') WHERE seq = 1",
        "UPDATE events_event SET hash = NULL WHERE seq = 1",
        "UPDATE events_event SET details = NULL WHERE seq = 1",
        "UPDATE events_event SET details = NULL WHERE seq IS NULL",
        "DELETE FROM events_event WHERE seq = 1",
        "DELETE FROM events_event WHERE seq IS NULL",
    ]

    for statement in refused:
        with pytest.raises(IntegrityError), transaction.atomic():
            execute(statement)
    erase([Event.objects.get(seq=1).pk])
    for change in ("details = 'x'", "erasure = NULL"):
        with pytest.raises(IntegrityError), transaction.atomic():
            execute(f"UPDATE events_event SET {change} WHERE seq = 1")


def test_a_ring_that_knows_the_key_later_seals_later(monkeypatch):
    """Other processes may have got a new key before the relay did."""
    sealed(1)
    new = generate("encryption-key")
    before = os.environ["ENCRYPTION_KEY"]
    try:
        monkeypatch.setenv("ENCRYPTION_KEY", f"{new},{before}")
        get_ring.cache_clear()
        note(2, reason="x")
        note(3)
        monkeypatch.setenv("ENCRYPTION_KEY", before)
        get_ring.cache_clear()
        assert Sealer().seal() == 0
        assert verify() == (
            2, "All else is whole, but 2 wait for a key that the ring here lacks.",
        )  # fmt: skip
        monkeypatch.setenv("ENCRYPTION_KEY", f"{new},{before}")
        get_ring.cache_clear()
        assert Sealer().seal() == 2
        assert verify()[0] == 0
    finally:
        monkeypatch.undo()
        get_ring.cache_clear()


def test_the_audit_key_is_random_and_only_in_an_envelope():
    sealed(1)
    key = AuditKey.objects.get()
    stored = rows.fetch("SELECT key FROM events_auditkey")[0][0]

    assert len(bytes.fromhex(key.key)) == 32
    assert stored.startswith("m1.")
    assert key.key not in stored


def test_a_chain_that_became_shorter_is_told_once_and_goes_on(caplog):
    sealed(2)
    sealer = Sealer()
    sealer.seal()
    before = Chain.objects.values().get()
    some(3)
    sealer.seal()
    with by_hand():
        execute("DELETE FROM events_event WHERE seq > 2")
    Chain.objects.update(**before)
    note(7)

    for _ in range(3):
        sealer.seal()

    (told,) = Event.objects.filter(kind="chain:broken")
    assert "It had come to 5:" in told.details
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert verify()[0] == 0  # of what is there


def test_a_last_row_that_is_gone_is_told_at_once():
    sealed(3)
    with by_hand():
        execute("DELETE FROM events_event WHERE seq = 3")

    Sealer().seal()

    (told,) = Event.objects.filter(kind="chain:broken")
    assert "Row 3, its last, is missing or altered." in told.details
    assert verify() == (1, "Row 3 is missing.")


def test_the_end_is_told_once_an_hour(caplog):
    caplog.set_level("INFO")
    now = timezone.now()
    assert tell_head(now) is None  # there is none

    sealed(2)
    head = tell_head(now)
    assert tell_head(now + timedelta(minutes=59)) is None
    again = tell_head(now + timedelta(minutes=60))
    assert again is not None

    told = Event.objects.filter(kind="chain:head").order_by("id")
    assert [f'"hash": "{head.hash.hex()}"' in event.details for event in told] == [True, True]
    assert f"The chain of events ends at {head}" in caplog.messages
    assert verify("--head", str(head))[0] == 0


def test_a_time_in_the_future_keeps_the_end_from_being_told_by_nothing():
    sealed(1)
    Chain.objects.update(told_at=timezone.now() + timedelta(days=999))

    assert tell_head(timezone.now()) is not None
