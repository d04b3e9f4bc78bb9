"""Burst windows and slots in a real Valkey: all or none, exact, and nothing is left behind."""

import os
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from apikeys.gate import windows
from apikeys.gate.effects import Enter
from apikeys.gate.snapshot import Window
from apikeys.services.entrance import Entrance
from apikeys.services.valkey import Valkey

NOW = datetime(2026, 11, 21, 12, 0, 30, 500_000, tzinfo=UTC)


@pytest.fixture(scope="module")
def redis():
    client = Redis.from_url(os.environ["REDIS_URL"])
    yield client
    client.close()


@pytest.fixture
def entrance(redis):
    made = Entrance(Valkey(redis))
    yield made
    made.local.held.clear()  # its thread has nothing to renew any more


@pytest.fixture
def other(redis):
    """Another process."""
    made = Entrance(Valkey(redis))
    yield made
    made.local.held.clear()


def subject(kind="member"):
    return f"{kind}:{uuid.uuid4().hex}"


def ask(*limits, units=1, now=NOW, **flags):
    """``limits``: (subject, name, limit)."""
    return Enter(tuple(Window(*limit) for limit in limits), units, now, **flags)


def left(entered):
    return {limit.name: limit.remaining for limit in entered.limits}


def test_the_last_unit_of_a_minute_passes_and_the_next_is_told_when(entrance):
    minute = (subject(), "minute", 2)

    first, second, third = (entrance.enter(ask(minute)) for _ in range(3))

    assert [left(found)["minute"] for found in (first, second, third)] == [1, 0, 0]
    assert (first.exceeded, second.exceeded, third.entry) == ((), (), None)
    (over,) = third.exceeded
    assert (over.reset_at, over.window_seconds) == (datetime(2026, 11, 21, 12, 1, tzinfo=UTC), 60)


def test_the_next_second_starts_at_nothing(entrance):
    second = (subject(), "second", 1)
    entrance.enter(ask(second))

    assert entrance.enter(ask(second, now=NOW + timedelta(milliseconds=499))).exceeded
    assert not entrance.enter(ask(second, now=NOW + timedelta(milliseconds=500))).exceeded


def test_limits_of_member_and_key_are_taken_together_or_not_at_all(entrance):
    alice, key = subject(), subject("key")
    limits = [(alice, "minute", 10), (alice, "concurrent", 10), (key, "minute", 1)]
    entrance.enter(ask(*limits))

    over = entrance.enter(ask(*limits))

    assert [limit.name for limit in over.exceeded] == ["key-minute"]
    assert left(over) == {"minute": 9, "concurrent": 9, "key-minute": 0}
    assert left(entrance.enter(ask(*limits[:2], dry=True))) == {"minute": 9, "concurrent": 9}


def test_looking_takes_nothing_and_says_what_would_refuse(entrance):
    minute = (subject(), "minute", 5)

    looked = entrance.enter(ask(minute, units=5, dry=True))
    over = entrance.enter(ask(minute, units=6, dry=True))

    assert (looked.entry, looked.exceeded, left(looked)) == (None, (), {"minute": 5})
    assert [limit.name for limit in over.exceeded] == ["minute"]


def test_nothing_asked_is_never_refused(entrance):
    limits = [(subject(), "minute", 1), (subject(), "concurrent", 1)]
    entrance.enter(ask(*limits))

    found = entrance.enter(ask(*limits, units=0, holds=False))

    assert (found.exceeded, found.entry) == ((), None)


def test_slots_are_free_again_when_their_request_leaves(entrance, other):
    slots = (subject(), "concurrent", 2)
    first = entrance.enter(ask(slots))
    other.enter(ask(slots))

    assert entrance.enter(ask(slots)).exceeded
    entrance.leave(first.entry, back=False)
    assert left(other.enter(ask(slots))) == {"concurrent": 0}
    assert entrance.enter(ask(slots)).exceeded


def test_units_go_back_once_and_only_where_they_were_taken(entrance):
    minute = (subject(), "minute", 3)
    taken = entrance.enter(ask(minute, units=3))

    entrance.leave(taken.entry, back=True)
    entrance.leave(taken.entry, back=True)

    assert left(entrance.enter(ask(minute))) == {"minute": 2}


def test_a_verification_looks_for_a_slot_and_holds_none(entrance):
    slots = (subject(), "concurrent", 1)

    assert [entrance.enter(ask(slots, holds=False)).exceeded for _ in range(3)] == [()] * 3
    entrance.enter(ask(slots))
    assert entrance.enter(ask(slots, holds=False)).exceeded


def test_slots_that_nobody_renews_end_and_renewed_ones_do_not(entrance, redis, monkeypatch):
    monkeypatch.setattr(windows, "SLOT_MS", 400)
    monkeypatch.setattr(windows, "RENEW_SECONDS", 0.1)
    held, dead, both = subject(), subject(), subject()
    entrance.enter(ask((held, "concurrent", 1), (both, "concurrent", 2)))
    gone = Entrance(Valkey(redis))
    gone.renewing = True  # its process was killed: nobody renews
    gone.enter(ask((dead, "concurrent", 1), (both, "concurrent", 2)))

    time.sleep(0.8)

    assert entrance.enter(ask((held, "concurrent", 1))).exceeded
    assert not entrance.enter(ask((dead, "concurrent", 1))).exceeded
    assert [bool(entrance.enter(ask((both, "concurrent", 2))).exceeded) for _ in range(2)] == [
        False, True,
    ]  # fmt: skip


def test_a_flush_restarts_a_window_and_slots_are_put_back(entrance, other, redis):
    limits = [(subject(), "minute", 1), (subject(), "concurrent", 1)]
    entrance.enter(ask(*limits))
    for limit in windows.places_of(ask(*limits)):
        redis.delete(limit.key)
    for tokens in entrance.local.held.values():
        for token in tokens:
            tokens[token] -= 2  # it has been running for a while

    entrance.renew()

    assert not other.enter(ask(limits[0])).exceeded
    assert other.enter(ask(limits[1])).exceeded


def test_everything_expires(entrance, redis):
    limits = [(subject(), "second", 9), (subject(), "minute", 9), (subject(), "concurrent", 9)]
    entrance.enter(ask(*limits))

    lives = [redis.ttl(place.key) for place in windows.places_of(ask(*limits))]

    assert [low < life <= high for life, (low, high) in zip(
        lives, [(0, 6), (60, 65), (0, 5)], strict=True)] == [True] * 3  # fmt: skip


@pytest.fixture
def lone():
    """Its Valkey is away."""
    client = Redis.from_url("redis://127.0.0.1:9/0", socket_connect_timeout=0.02)
    made = Entrance(Valkey(client))
    yield made
    made.local.held.clear()
    client.close()


def test_without_valkey_a_process_counts_its_share_and_at_least_one(lone):
    lone.local.processes = 4
    alice = subject()

    admitted = {
        limit: sum(
            not lone.enter(ask((alice, name, limit))).exceeded for _ in range(20)
        )
        for name, limit in (("minute", 40), ("second", 3))
    }  # fmt: skip

    assert admitted == {40: 10, 3: 1}


def test_without_valkey_slots_and_units_come_back_too(lone):
    limits = [(subject(), "concurrent", 1), (subject(), "minute", 1)]
    taken = lone.enter(ask(*limits))

    assert lone.enter(ask(*limits)).exceeded
    lone.leave(taken.entry, back=True)
    assert not lone.enter(ask(*limits)).exceeded


def test_what_a_process_counted_alone_is_not_taken_from_valkey_later(redis, lone):
    """Units go back only where they were counted: else others would get them twice."""
    minute = (subject(), "minute", 2)
    alone = lone.enter(ask(minute))
    lone.valkey = Valkey(redis)
    lone.enter(ask(minute))

    lone.leave(alone.entry, back=True)

    assert left(lone.enter(ask(minute))) == {"minute": 0}


def test_exactly_the_limit_is_admitted_among_threads(entrance, other):
    limits = [(subject(), "minute", 40), (subject("key"), "second", 1000)]
    doors = [entrance, other]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: doors[n % 2].enter(ask(*limits)), range(100)))

    assert Counter(bool(entered.exceeded) for entered in found) == {False: 40, True: 60}
    assert {left(entered)["minute"] for entered in found} == set(range(40))


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=25
)


@settings(max_examples=40, deadline=None)
@given(limit=st.integers(1, 6), places=st.integers(1, 3), steps=STEPS)
def test_any_sequence_is_counted_as_a_plain_model_counts(redis, limit, places, steps):
    entrance = Entrance(Valkey(redis))
    limits = [(subject(), "minute", limit), (subject(), "concurrent", places)]
    used, running = 0, []

    for units, back, leaves in steps:
        if leaves and running:
            entry = running.pop()
            entrance.leave(entry, back=back)
            used -= entry.units if back else 0
            continue
        entered = entrance.enter(ask(*limits, units=units))
        fits = units == 0 or (used + units <= limit and len(running) < places)
        assert (not entered.exceeded) is fits
        if fits:
            used += units
            running.append(entered.entry)
        assert left(entered) == {
            "minute": limit - used, "concurrent": max(0, places - len(running))
        }  # fmt: skip
    entrance.local.held.clear()
