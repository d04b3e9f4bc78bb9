"""AUTH-09: wrong secrets lock an address out; in Valkey and, while it is away, in memory."""

import os
import time

import pytest
from redis import Redis

from apikeys.gate import lockout
from apikeys.gate.lockout import MAX_ENTRIES, Memory, Permit, Rules, mark_of
from apikeys.services.guard import Guard
from apikeys.services.valkey import Valkey

RULES = Rules(5, 900)
PEPPER = b"p" * 32
HERE = "192.0.2.1"


@pytest.fixture
def redis():
    client = Redis.from_url(os.environ["REDIS_URL"])
    client.delete(*client.keys("momentry:fail:*"), *client.keys("momentry:proven:*"), "none")
    yield client
    client.close()


@pytest.fixture
def guard(redis):
    return Guard(Valkey(redis), RULES, PEPPER)


@pytest.fixture
def other(redis):
    """Another process."""
    return Guard(Valkey(redis), RULES, PEPPER)


@pytest.fixture
def lone():
    """Its Valkey is away."""
    client = Redis.from_url("redis://127.0.0.1:9/0", socket_connect_timeout=0.02)
    yield Guard(Valkey(client), RULES, PEPPER)
    client.close()


def fail(guard, times, address=HERE):
    return [guard.count_failure(address) > 0 for _ in range(times)]


@pytest.mark.parametrize("kind", ["guard", "lone"])
def test_the_fifth_failure_locks_and_the_sixth_is_told(kind, request):
    guard = request.getfixturevalue(kind)

    assert fail(guard, 4) == [False] * 4
    assert guard.may_look_up(HERE, "a") == Permit(True)
    assert fail(guard, 2) == [False, True]
    assert 890 < guard.may_look_up(HERE, "b").locked <= 900


@pytest.mark.parametrize("kind", ["guard", "lone"])
def test_a_locked_address_has_one_look_up_a_second(kind, request):
    guard = request.getfixturevalue(kind)
    fail(guard, 5)

    allowed = [guard.may_look_up(HERE, f"secret {n}").allowed for n in range(20)]

    assert allowed == [True] + [False] * 19


@pytest.mark.parametrize("kind", ["guard", "lone"])
def test_a_proven_secret_is_never_slowed(kind, request):
    guard = request.getfixturevalue(kind)
    guard.proven(HERE, "good")
    fail(guard, 5)

    assert all(guard.may_look_up(HERE, "good").allowed for _ in range(50))
    assert [guard.may_look_up(HERE, "bad").allowed for _ in range(3)] == [True, False, False]


def test_processes_share_the_count_the_lock_and_what_was_proven(guard, other):
    guard.proven(HERE, "good")
    fail(guard, 3)

    assert fail(other, 3) == [False, False, True]
    assert guard.may_look_up(HERE, "x").locked > 0
    assert [other.may_look_up(HERE, "good").allowed for _ in range(5)] == [True] * 5
    assert not other.may_look_up(HERE, "y").allowed


def test_a_lock_that_another_process_made_is_seen_at_once(guard, other):
    other.may_look_up(HERE, "a")
    fail(guard, 5)

    assert other.may_look_up(HERE, "b").locked > 0


def test_addresses_do_not_lock_each_other_but_ipv6_neighbours_do(guard):
    fail(guard, 5)
    fail(guard, 5, "2001:db8::1")

    assert guard.may_look_up("192.0.2.2", "a") == Permit(True)
    assert guard.may_look_up("2001:db8:0:1::1", "a") == Permit(True)
    assert guard.may_look_up("2001:db8::ffff", "a").locked > 0


def test_a_lock_is_not_prolonged_by_what_comes_while_it_lasts(redis):
    guard = Guard(Valkey(redis), Rules(2, 1), PEPPER)
    fail(guard, 2)
    first = redis.pttl("momentry:fail:192.0.2.1:lock")
    time.sleep(0.1)
    fail(guard, 3)

    assert 0 < redis.pttl("momentry:fail:192.0.2.1:lock") < first - 50
    time.sleep(1)
    assert guard.may_look_up(HERE, "a") == Permit(True)
    assert fail(guard, 1) == [False]


def test_any_window_counts_not_only_a_fixed_one(redis):
    guard = Guard(Valkey(redis), Rules(3, 1), PEPPER)
    fail(guard, 1)
    time.sleep(0.6)
    fail(guard, 1)
    time.sleep(0.6)
    fail(guard, 1)  # the first is out of the window
    assert guard.may_look_up(HERE, "a") == Permit(True)

    fail(guard, 1)

    assert guard.may_look_up(HERE, "a").locked > 0


def test_keys_in_valkey_have_the_prefix_end_by_themselves_and_hold_no_secret(guard, redis):
    guard.proven(HERE, "a very secret secret")
    fail(guard, 4)

    names = [name.decode() for name in redis.keys("momentry:*")]

    assert {name.split(":")[1] for name in names} >= {"fail", "proven"}
    assert all(redis.ttl(name) > 0 for name in redis.keys("momentry:fail:*"))
    assert redis.ttl(lockout.proven_key(mark_of("a very secret secret", PEPPER))) > 0
    assert "secret" not in "".join(names).replace("momentry:", "")


def test_memory_takes_over_from_what_valkey_said(guard, redis):
    fail(guard, 5)

    guard.valkey.away_until = time.monotonic() + 60

    assert guard.may_look_up(HERE, "a").locked > 0


def test_a_flush_of_valkey_frees(guard, redis):
    fail(guard, 5)
    redis.delete(*redis.keys("momentry:fail:*"))

    assert guard.may_look_up(HERE, "a") == Permit(True)


def test_valkey_that_is_away_is_asked_once_a_second(lone):
    asked = []
    evaluate = lone.valkey.redis.eval
    lone.valkey.redis.eval = lambda *given: asked.append(given) or evaluate(*given)
    began = time.monotonic()

    fail(lone, 200)

    assert 1 <= len(asked) <= 1 + time.monotonic() - began


def test_memory_is_bounded():
    memory = Memory(RULES)

    for number in range(MAX_ENTRIES + 100):
        memory.count(str(number), 0.0)
        memory.prove(str(number), number.to_bytes(16), 0.0)
        memory.lock(str(number), 1.0)

    assert len(memory.failures) <= MAX_ENTRIES
    assert len(memory.proven) == len(memory.locks) == MAX_ENTRIES


def test_memory_forgets_failures_that_left_the_window():
    memory = Memory(Rules(3, 10))
    for now in (0.0, 6.0, 12.0):
        assert memory.count("x", now) == 0

    assert memory.left("x", 12.0) == 0
    memory.count("x", 13.0)
    assert memory.left("x", 13.0) == 10


def test_a_lock_in_memory_ends():
    memory = Memory(Rules(1, 10))
    memory.count("x", 0.0)

    assert memory.look("x", b"m", 9.9).locked == pytest.approx(0.1)
    assert memory.look("x", b"m", 10.1) == Permit(True)


def test_a_right_key_spares_the_question_for_a_second_until_a_failure():
    memory = Memory(RULES)
    memory.prove("x", b"m", 0.0)

    assert memory.is_clear("x", 0.9)
    assert not memory.is_clear("x", 1.1)
    memory.prove("x", b"m", 2.0)
    memory.count("x", 2.0)
    assert not memory.is_clear("x", 2.0)
