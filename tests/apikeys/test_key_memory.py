"""What a process remembers of keys, and when it forgets."""

import uuid
from datetime import timedelta

import pytest

from apikeys.gate.memory import METADATA_BYTES, KeyMemory
from tests.apikeys.judged import KEY_ID, NOW

OTHER = uuid.UUID(int=2)


@pytest.fixture
def memory(snapshot):
    made = KeyMemory(capacity=3, ttl=300)
    made.put(snapshot._replace(tiers=("starter", "own")), 0.0)
    return made


def test_a_key_is_judged_at_the_time_it_is_recalled(memory):
    later = NOW + timedelta(seconds=9)

    assert memory.get(KEY_ID, 1.0, later).now == later


def test_it_is_read_again_when_it_is_old(memory):
    assert memory.get(KEY_ID, 299.9, NOW) is not None
    assert memory.get(KEY_ID, 300.0, NOW) is None


def test_it_is_read_again_on_the_second_a_retired_secret_ends(snapshot):
    memory = KeyMemory(3, 300)
    memory.put(snapshot._replace(grace_ends_at=NOW + timedelta(seconds=5)), 0.0)

    assert memory.get(KEY_ID, 0.0, NOW + timedelta(seconds=4.9)) is not None
    assert memory.get(KEY_ID, 0.0, NOW + timedelta(seconds=5)) is None


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("key", str(KEY_ID)),
        ("member", str(uuid.UUID(int=1))),
        ("tier", "starter"),
        ("tier", "own"),
        ("all", ""),
        ("something new", "x"),
        ("key", "no id"),
    ],
)
def test_a_change_that_touches_it_makes_it_forget(memory, kind, subject):
    memory.forget(kind, subject)

    assert memory.get(KEY_ID, 0.0, NOW) is None


@pytest.mark.parametrize(
    ("kind", "subject"),
    [("key", str(OTHER)), ("member", str(OTHER)), ("tier", "other"), ("rules", ""),
     ("upstreams", "")],
)  # fmt: skip
def test_a_change_of_something_else_does_not(memory, kind, subject):
    memory.forget(kind, subject)

    assert memory.get(KEY_ID, 0.0, NOW) is not None


def test_the_one_that_was_used_longest_ago_makes_room(memory, snapshot):
    ids = [uuid.UUID(int=number) for number in (10, 11)]
    for key_id in ids:
        memory.put(snapshot._replace(key_id=key_id), 0.0)
    memory.get(KEY_ID, 0.0, NOW)
    memory.put(snapshot._replace(key_id=OTHER), 0.0)

    assert memory.get(ids[0], 0.0, NOW) is None
    assert all(memory.get(key_id, 0.0, NOW) for key_id in (KEY_ID, ids[1], OTHER))


@pytest.mark.parametrize("size", [METADATA_BYTES, METADATA_BYTES + 1])
def test_only_small_metadata_are_kept(snapshot, size):
    memory = KeyMemory(3, 300)
    memory.put(snapshot._replace(metadata={"a": 1}, metadata_bytes=size), 0.0)

    kept = memory.get(KEY_ID, 0.0, NOW).metadata
    assert kept == ({"a": 1} if size <= METADATA_BYTES else None)
