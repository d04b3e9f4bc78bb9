"""UUIDv7 (RFC 9562 §5.7)."""

import time

from momentry.common.ids import uuid7


def test_version_and_variant_are_set():
    assert {(uuid7().version, uuid7().variant) for _ in range(100)} == {
        (7, "specified in RFC 4122")
    }


def test_it_starts_with_the_milliseconds_of_now():
    before = time.time_ns() // 1_000_000

    made = uuid7().int >> 80

    assert before <= made <= time.time_ns() // 1_000_000


def test_two_of_one_instant_differ():
    assert len({uuid7() for _ in range(10_000)}) == 10_000
