"""Refusals become events: the first at once, the others by the hour, every one exactly once."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from events import refusals
from events.kinds import Kind
from events.models import Event, Refusal, RefusalTally
from events.refusals import BATCH, MOST, note, tell_refusals
from momentry.common import request_id
from momentry.common.ids import uuid7

pytestmark = pytest.mark.django_db

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
KEY, MEMBER = UUID(int=7), UUID(int=8)


def refuse(minute: float = 0, **given: Any) -> Refusal:
    values = {"code": "invalid_key", "client_address": "192.0.2.7", "request_id": uuid7()}
    return Refusal.objects.create(at=NINE + timedelta(minutes=minute), **values | given)


def look(minute: float) -> list[dict[str, Any]]:
    """The relay's round at this minute: what the events say that it made."""
    before = Event.objects.count()
    tell_refusals(NINE + timedelta(minutes=minute))
    events = list(Event.objects.order_by("id"))[before:]
    assert {event.kind for event in events} <= {Kind.AUTH_REFUSED}
    return [json.loads(event.details) for event in events]


def test_the_first_is_told_at_once_with_all_that_is_known_of_it():
    row = refuse(3, key_id=KEY, member_id=MEMBER, code="key_revoked")

    assert look(3.1) == [
        {
            "code": "key_revoked", "network": "192.0.2.7", "count": 1,
            "first_at": "2026-11-22T09:03:00Z", "last_at": "2026-11-22T09:03:00Z",
            "requests": [str(row.request_id)], "member": MEMBER.hex,
        }
    ]  # fmt: skip
    event = Event.objects.get()
    assert (event.actor, event.subject) == (f"key:{KEY.hex}", f"key:{KEY.hex}")


def test_who_showed_no_good_key_is_nobody_and_the_address_stands_sealed():
    refuse()
    look(1)

    event = Event.objects.get()
    assert (event.actor, event.subject) == ("anonymous", "auth:invalid_key")
    assert "192.0.2.7" not in str(Event.objects.values().get())


def test_the_others_of_the_hour_are_told_together_when_it_is_over():
    refuse(1)
    look(1)
    for minute in (2, 20, 59.9):
        refuse(minute)
        assert look(minute) == []

    assert look(60.5) == []
    (told,) = look(61)
    assert (told["count"], told["first_at"], told["last_at"]) == (
        3, "2026-11-22T09:02:00Z", "2026-11-22T09:59:54Z",
    )  # fmt: skip
    assert len(told["requests"]) == 3
    assert look(62) == []
    assert look(181) == []
    assert not RefusalTally.objects.exists()


def test_codes_networks_and_keys_are_told_apart_and_addresses_of_one_network_are_not():
    refuse()
    refuse(client_address="2001:db8::1")
    refuse(client_address="2001:db8::2")
    refuse(client_address="2001:db8:0:1::1")
    refuse(client_address="::ffff:192.0.2.7")
    refuse(code="ip_blocked")
    refuse(key_id=KEY)

    told = Counter((each["code"], each["network"], each["count"]) for each in look(1))

    assert told == {
        ("invalid_key", "192.0.2.7", 2): 1, ("invalid_key", "192.0.2.7", 1): 1,
        ("invalid_key", "2001:db8::/64", 2): 1, ("invalid_key", "2001:db8:0:1::/64", 1): 1,
        ("ip_blocked", "192.0.2.7", 1): 1,
    }  # fmt: skip


def test_what_shared_a_row_counts_as_often_as_it_was():
    refuse(count=41)
    refuse(count=2)

    assert [each["count"] for each in look(1)] == [43]


def test_samples_are_few():
    for _ in range(9):
        refuse()

    assert [len(each["requests"]) for each in look(1)] == [5]


def test_a_row_that_comes_hours_late_is_told_all_the_same():
    refuse(1)
    look(1)
    look(300)
    refuse(30)

    (told,) = look(301)
    assert (told["count"], told["first_at"]) == (1, "2026-11-22T09:30:00Z")
    assert look(302) == []


def test_whoever_has_a_wide_network_fills_no_events(monkeypatch):
    monkeypatch.setattr(refusals, "MOST", 3)
    refuse(client_address="192.0.2.1")
    look(1)
    for number in range(2, 12):
        refuse(2, client_address=f"192.0.2.{number}")
        refuse(2, client_address=f"192.0.2.{number}", key_id=KEY)
    told = look(2)

    nobodys = [each for each in told if each["network"] == ""]
    assert [each["count"] for each in nobodys] == [8]
    assert sum(each["count"] for each in told) == 20
    assert MOST > 100


def test_a_look_takes_a_batch_and_says_that_there_may_be_more(monkeypatch):
    monkeypatch.setattr(refusals, "BATCH", 3)
    for _ in range(7):
        refuse()

    assert [tell_refusals(NINE) for _ in range(4)] == [3, 3, 1, 0]
    tell_refusals(NINE + timedelta(hours=2))
    assert sum(json.loads(event.details)["count"] for event in Event.objects.all()) == 7
    assert BATCH > 100


def test_a_round_that_fails_has_told_nothing(monkeypatch):
    refuse()
    real = refusals.record

    def fail(*args, **details):
        real(*args, **details)
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(refusals, "record", fail)
        with pytest.raises(OSError, match="no room"):
            tell_refusals(NINE)
    assert (Event.objects.count(), Refusal.objects.count()) == (0, 1)

    assert [each["count"] for each in look(1)] == [1]


@pytest.mark.parametrize("address", ["", "unknown", "not an address", "192.0.2.7", "fe80::1%eth0"])
def test_what_leaves_no_log_row_is_noted(address, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NINE)
    identity = str(uuid7())
    token = request_id.current.set(identity)
    note("login_failed", address=address)
    request_id.current.reset(token)
    note("login_failed", address=address)

    (told,) = look(1)
    networks = {"192.0.2.7": "192.0.2.7", "fe80::1%eth0": "fe80::/64"}
    assert (told["code"], told["count"], told["requests"]) == ("login_failed", 2, [identity])
    assert told["network"] == networks.get(address, "")
