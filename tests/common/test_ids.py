"""UUIDv7 (RFC 9562 §5.7)."""

import subprocess
import sys
import time
import uuid

from momentry.common.ids import uuid7, uuid7_text


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


def test_each_text_is_of_the_usual_form():
    made = [uuid7_text() for _ in range(2000)]

    assert [str(uuid.UUID(text)) for text in made] == made
    assert {uuid.UUID(text).version for text in made} == {7}
    assert {uuid.UUID(text).variant for text in made} == {uuid.RFC_4122}


def test_all_random_bits_change():
    fixed = 0x3 << 62
    ones, zeros = 0, (1 << 64) - 1
    for _ in range(200):
        bits = uuid7().int & ((1 << 64) - 1)
        ones, zeros = ones | bits, zeros & bits

    assert (ones ^ zeros) | fixed == (1 << 64) - 1


def test_one_after_the_other_sorts_so(monkeypatch):
    """Also within a millisecond, as events of one transaction are made."""
    instants = iter(range(1_700_000_000_000_000_000, 1_700_000_000_003_000_000, 250))
    monkeypatch.setattr(time, "time_ns", lambda: next(instants))
    made = [uuid7() for _ in range(12_000)]

    assert made == sorted(made)
    assert made[0].int >> 64 == 1_700_000_000_000 << 16 | 0x7000
    assert made[-1].int >> 64 == 1_700_000_000_002 << 16 | 0x7FFE


FORKING = """
import os
from momentry.common.ids import uuid7_text
uuid7_text()
child = os.fork()
tails = [uuid7_text()[19:] for _ in range(300)]
if child:
    os.waitpid(child, 0)  # a pipe takes turns only for short writes
print("\\n".join(tails), flush=True)
"""


def test_two_processes_make_no_id_alike():
    """The random bytes that wait are no child's."""
    told = subprocess.run([sys.executable, "-c", FORKING], stdout=subprocess.PIPE, check=True)

    tails = told.stdout.decode().split()
    assert len(tails) == len(set(tails)) == 600
