"""The one thread of Argon2id: what it remembers, what it refuses, what it does once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from apikeys import phc
from apikeys.gate import slow
from apikeys.gate.effects import Overloaded
from apikeys.gate.slow import SlowProofs
from apikeys.phc import Cost

CHEAP = Cost(8, 1, 1)


def digest_of(secret: str, seed: int = 0) -> str:
    salt = bytes([seed]) * 16
    return phc.render(phc.Phc(*CHEAP, salt, phc.compute(secret, salt, CHEAP, 32)))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def proofs(clock: Clock) -> SlowProofs:
    return SlowProofs(clock)


@pytest.fixture
def stopped(proofs):
    """The thread is at work until the test lets it go on."""
    go = threading.Event()
    proofs.run(go.wait)
    yield go
    go.set()


def test_the_secret_s_own_digest_is_told(proofs):
    digests = (digest_of("other"), digest_of("secret"))

    assert proofs.prove("secret", digests).result() == digests[1]
    assert proofs.prove("wrong", digests).result() is None


def test_what_was_proven_is_known_for_a_while(proofs, clock):
    digest = digest_of("secret")
    proofs.prove("secret", (digest,)).result()

    assert proofs.known("secret", (digest_of("x"), digest)) == digest
    clock.now += slow.KNOWN_SECONDS
    assert proofs.known("secret", (digest,)) is None


def test_it_is_known_of_this_digest_and_this_secret_only(proofs):
    digest = digest_of("secret")
    proofs.prove("secret", (digest,)).result()

    assert proofs.known("secret", (digest_of("secret", 1),)) is None
    assert proofs.known("Secret", (digest,)) is None


def test_a_wrong_one_is_not_known(proofs):
    proofs.prove("wrong", (digest_of("secret"),)).result()

    assert not proofs.proven


def test_no_secret_and_no_digest_is_kept_in_memory(proofs):
    digest = digest_of("secret")
    proofs.prove("secret", (digest,)).result()

    assert "secret" not in repr(proofs.__dict__)
    assert digest not in repr(proofs.__dict__)


def test_beyond_the_queue_it_is_overloaded(proofs, stopped):
    waiting = [proofs.run(lambda: 1) for _ in range(slow.QUEUE - 1)]

    with pytest.raises(Overloaded):
        proofs.prove("one", (digest_of("secret"),))

    stopped.set()
    assert [found.result(5) for found in waiting] == [1] * len(waiting)
    assert proofs.prove("secret", (digest_of("secret"),)).result(5)
    assert proofs.waiting == 0


def test_the_same_question_is_worked_on_once(proofs, stopped):
    digests = (digest_of("secret"),)

    asked = [proofs.prove("secret", digests) for _ in range(100)]
    stopped.set()

    assert {found.result(5) for found in asked} == set(digests)
    assert len(set(map(id, asked))) == 1
    assert not proofs.running


def test_who_waited_too_long_is_dropped(proofs, clock, stopped):
    found = proofs.prove("secret", (digest_of("secret"),))
    clock.now += slow.WAIT_SECONDS + 1
    stopped.set()

    with pytest.raises(Overloaded):
        found.result(5)
    assert proofs.prove("secret", (digest_of("secret"),)).result(5)


def test_a_failing_work_gives_its_place_back(proofs):
    found = proofs.run(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        found.result(5)
    assert proofs.waiting == 0


def test_one_thread_however_many_ask(proofs):
    names = set()

    with ThreadPoolExecutor(8) as crowd:
        for found in crowd.map(
            lambda _: proofs.run(lambda: threading.current_thread().name), range(20)
        ):
            names.add(found.result(5))

    assert names == {"argon2id_0"}


def test_no_thread_before_it_is_needed():
    assert SlowProofs().thread is None
