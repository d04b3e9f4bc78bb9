"""AUTH-09: whose look-ups a locked address has; in Valkey and, while it is away, in memory."""

import os
import time
import uuid

import pytest
from redis import Redis

from apikeys import keyformat
from apikeys.digest import read_peppers
from apikeys.gate.lockout import (
    ADDRESS,
    ANY_SECONDS,
    NOTHING,
    Rules,
    slot_of_format,
    slot_of_key,
)
from apikeys.services.guard import Guard
from apikeys.services.valkey import Valkey
from tests import make
from tests.apikeys.calls import client

HERE = "192.0.2.1"
ONE, OTHER = slot_of_key(uuid.UUID(int=1)), slot_of_key(uuid.UUID(int=2))


@pytest.fixture
def redis():
    made = Redis.from_url(os.environ["REDIS_URL"])
    made.delete(*made.keys("momentry:fail:*"), *made.keys("momentry:proven:*"), "none")
    yield made
    made.delete(*made.keys("momentry:fail:*"), "none")
    made.close()


@pytest.fixture(params=["valkey", "alone"])
def guard(request, redis):
    """Of a locked address."""
    away = Redis.from_url("redis://127.0.0.1:9/0", socket_connect_timeout=0.02)
    made = Guard(Valkey(redis if request.param == "valkey" else away), Rules(5, 900), b"p" * 32)
    for _ in range(5):
        made.count_failure(HERE)
    yield made
    away.close()


def asked(guard, *slots, secret="s"):
    return [guard.may_look_up(HERE, secret, slot).allowed for slot in slots]


def test_a_key_has_a_slot_that_nobody_elses_guess_takes(guard):
    assert asked(guard, OTHER, OTHER, ONE, ONE, ADDRESS, ADDRESS) == [True, False] * 3
    time.sleep(1.05)
    assert asked(guard, ONE, ONE) == [True, False]


def test_what_does_not_exist_has_none_and_takes_none(guard):
    assert asked(guard, NOTHING, NOTHING, ONE) == [False, False, True]
    permit = guard.may_look_up(HERE, "s", NOTHING)
    assert 890 < permit.locked <= 900


def test_an_address_without_a_lock_needs_no_slot(guard):
    assert guard.may_look_up("192.0.2.2", "s", NOTHING).allowed


def test_a_proven_secret_needs_no_slot(guard):
    guard.proven(HERE, "good")

    assert asked(guard, NOTHING, NOTHING, secret="good") == [True, True]


def test_look_ups_of_all_slots_together_are_bounded_where_ids_are_not_known(guard):
    began, passed, number = time.monotonic(), 0, 10
    while time.monotonic() < began + 0.5:
        number += 1
        slot = slot_of_key(uuid.UUID(int=number))
        passed += asked(guard, slot._replace(any_seconds=ANY_SECONDS))[0]

    assert 2 <= passed <= 1 + (time.monotonic() - began) / ANY_SECONDS


def test_a_refusal_for_the_bound_of_all_leaves_the_own_slot_free(guard):
    one, other = (slot._replace(any_seconds=0.2) for slot in (ONE, OTHER))

    assert asked(guard, one, other) == [True, False]
    time.sleep(0.25)
    assert asked(guard, other, one) == [True, False]


def test_imported_secrets_have_one_slot_for_each_beginning(guard):
    formats = ("pk_", "pk_live_", "tok-")
    first, second, third = (
        slot_of_format(secret, formats) for secret in ("pk_live_abc", "pk_live_def", "pk_test")
    )

    assert first == second != third
    assert asked(guard, first, second, third, slot_of_format("x", formats)) == [
        True, False, True, True,
    ]  # fmt: skip


@pytest.mark.django_db
def test_at_djangos_own_door_a_right_key_passes_right_after_a_guess(redis):
    """The guess would have taken the one look-up of that second."""
    secret = make.key().secret
    redis.set("momentry:fail:127.0.0.1:lock", 1, px=60_000)
    guess = keyformat.mint("muser", uuid.uuid4(), owner="x", pepper=read_peppers().signing, at=1)

    assert client(guess).get("/api/v1/me").json()["code"] == "locked_out"
    assert client(guess).get("/api/v1/me").json()["code"] == "locked_out"
    time.sleep(2 * ANY_SECONDS)

    assert client(secret).get("/api/v1/me").status_code == 200
