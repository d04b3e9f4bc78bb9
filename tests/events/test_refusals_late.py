"""Refusals that come late, or many at once after a relay was away: coalesced as those that were
told as they came, and their table does not grow for ever."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from events import refusals
from events.models import Event, Refusal, RefusalTally
from events.refusals import tell_refusals
from momentry.common.throttle import block_of

pytestmark = pytest.mark.django_db

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def refuse(minute: float = 0, address: str | None = "192.0.2.7", **given: Any) -> Refusal:
    values = {"code": "invalid_key", "client_address": address}
    return Refusal.objects.create(at=NINE + minute * MINUTE, **values | given)


def counts(minute: float) -> list[int]:
    """What the events say that are made of all there is at this minute."""
    before = Event.objects.count()
    while tell_refusals(NINE + minute * MINUTE) == refusals.BATCH:
        pass
    events = list(Event.objects.order_by("id"))[before:]
    return sorted(json.loads(event.details or "")["count"] for event in events)


def test_a_backlog_tells_each_network_twice_however_many_batches_it_is(monkeypatch):
    """The relay was away over night: the first of an hour, and the others."""
    monkeypatch.setattr(refusals, "BATCH", 3)
    for number in range(20):
        refuse(number, f"192.0.2.{number % 2}")

    told = counts(600)

    assert len(told) == 4
    assert sum(told) == 20


def test_what_comes_after_its_hour_was_told_is_told_together_an_hour_later():
    """A gateway's log rows that waited for the database, a second apart."""
    refuse(1)
    assert counts(1) == [1]
    refuse(2)
    assert counts(61) == [1]
    for second in range(20):
        refuse(3)
        assert counts(62 + second / 60) == []

    assert counts(120.9) == []
    assert counts(121) == [20]
    assert counts(180.9) == []
    assert RefusalTally.objects.exists()
    assert counts(181) == []
    assert not RefusalTally.objects.exists()


def test_a_late_row_s_own_tally_stays_as_long():
    refuse(1)
    assert counts(600) == [1]
    refuse(2)
    assert counts(601) == [1]
    refuse(3)
    assert counts(602) == []
    assert counts(661) == [1]
    assert counts(720.9) == []
    assert RefusalTally.objects.exists()
    assert counts(721) == []
    assert not RefusalTally.objects.exists()


def test_first_and_last_are_of_what_was_not_told_yet():
    refuse(30)
    counts(30)
    for minute in (50, 40, 45):
        refuse(minute)
        counts(50)

    counts(61)

    said = json.loads(Event.objects.latest("id").details or "")
    assert (said["first_at"], said["last_at"]) == ("2026-11-22T09:40:00Z", "2026-11-22T09:50:00Z")


def test_samples_of_several_looks_are_the_first_ones():
    ids = [f"00000000-0000-0000-0000-00000000000{number}" for number in range(8)]
    for each in ids:
        refuse(request_id=each)
        counts(1)
    counts(61)

    said = [json.loads(event.details or "")["requests"] for event in Event.objects.order_by("id")]
    assert said == [ids[:1], ids[1:6]]


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.7", "0.0.0.0", "255.255.255.255", "2001:db8::1", "2001:db8:0:1::1", "::1", "::",
        "::ffff:192.0.2.7", "::ffff:0.0.0.0", "::192.0.2.7", "2001:0:0:1::5", "0:0:0:1::1",
        "1:0:0:2:3:4:5:6", "1:0:2:0:3:0:4:0", "fe80::1", "64:ff9b::192.0.2.7", "::fffe:1.2.3.4",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:DB8:A:B:C:D:E:F",
    ],
)  # fmt: skip
def test_networks_are_named_as_where_attempts_are_counted(address):
    refuse(address=address)

    counts(1)

    assert json.loads(Event.objects.get().details or "")["network"] == block_of(address)


def test_those_beyond_the_most_are_so_in_each_hour_and_code_alone(monkeypatch):
    monkeypatch.setattr(refusals, "MOST", 2)
    for code in ("invalid_key", "ip_blocked"):
        for minute in (1, 61):
            for number in range(4):
                refuse(minute, f"192.0.2.{number}", code=code)
                refuse(minute, f"192.0.2.{number}", code=code)

    assert counts(62) == [2] * 8 + [4] * 4
    found = RefusalTally.objects.values_list("hour", "code", "network")
    assert len(found) == 12
    assert sum(network == "" for *_, network in found) == 4


def test_who_is_known_is_still_told_apart_when_there_is_no_more_room(monkeypatch):
    monkeypatch.setattr(refusals, "MOST", 1)
    refuse(1, "192.0.2.1")
    counts(1)
    refuse(2, "192.0.2.2")
    refuse(2, "192.0.2.1")
    counts(2)

    found = dict(RefusalTally.objects.values_list("network", "count"))
    assert found == {"192.0.2.1": 1, "": 0}


def test_without_a_relay_the_oldest_become_a_number():
    """None of them is lost: who they were is."""
    for minute in (1, 2, 70):
        refuse(minute, count=3)
    refuse(3, code="ip_blocked")
    last = Refusal.objects.latest("id").pk
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('events_refusal', 'id'), %s)",
            [(last // 256 + 1) * 256 + 512_000 - 1],
        )

    refuse(80)

    found = {(row.at, row.code, row.client_address, row.count) for row in Refusal.objects.all()}
    assert found == {
        (NINE + MINUTE, "invalid_key", None, 6), (NINE + 70 * MINUTE, "invalid_key", None, 3),
        (NINE + 3 * MINUTE, "ip_blocked", None, 1),
        (NINE + 80 * MINUTE, "invalid_key", "192.0.2.7", 1),
    }  # fmt: skip


def test_a_tally_of_which_nothing_is_left_to_tell_waits_for_late_rows_too():
    refuse(1)
    assert counts(1) == [1]

    assert counts(120.9) == []
    assert RefusalTally.objects.exists()
    assert counts(121) == []
    assert not RefusalTally.objects.exists()
